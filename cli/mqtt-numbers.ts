/**
 * Lets mqtt's writer of packets make the two bytes of a number when it writes one. By itself it makes all
 * 65,536 of them beforehand, each a Buffer of its own: 10 MB of every process that speaks MQTT, to save a
 * tenth of a microsecond with each packet.
 *
 * To be imported by commands whose processes stay; the only file that knows mqtt-packet.
 */

import { writeToStream } from "mqtt-packet";

writeToStream.cacheNumbers = false;
