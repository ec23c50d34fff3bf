/* The model that a node is made with: BW_FACTORY is the path of its container. */
  .section .rodata.bw_factory, "a"
  .balign 16
  .global bw_factory
bw_factory:
  .incbin BW_FACTORY
  .global bw_factory_end
bw_factory_end:
