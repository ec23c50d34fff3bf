/* What the node's sensor would say: NODE_SIGNAL is the path of int16 milli-g, [time][3]. */
  .section .rodata.bw_signal, "a"
  .balign 4
  .global bw_signal
bw_signal:
  .incbin NODE_SIGNAL
  .global bw_signal_end
bw_signal_end:
