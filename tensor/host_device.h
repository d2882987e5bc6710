// For the few functions that kernels and the host share.
#pragma once

#ifdef __CUDACC__
#define REIN_HOST_DEVICE __host__ __device__
#else
#define REIN_HOST_DEVICE
#endif
