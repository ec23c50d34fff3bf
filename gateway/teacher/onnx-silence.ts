/**
 * Keeps ONNX Runtime from reporting to its maker.
 *
 * From 1.29 on its binaries for Linux collect what is loaded and run (model hashes, machine, a device
 * id), keep it in `~/.cache/Microsoft` and send it to mobile.events.data.microsoft.com unless this
 * variable is set when the library starts; where that host cannot be reached, the process also takes
 * half a minute to end. A gateway answers to nobody but its owner. Imported for its effect, before the
 * library; and by whoever starts a thread that loads it, since a thread's `process.env` is a copy that
 * native code does not see.
 */

process.env.ORT_DISABLE_TELEMETRY = "1";
