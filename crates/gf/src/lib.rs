//! GF(2^8) kernels: fused multiply-accumulate over many inputs and outputs.
