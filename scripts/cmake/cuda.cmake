# REIN_CUDA = ON, OFF or AUTO becomes REIN_WITH_CUDA, and the language CUDA is enabled with the wanted architectures.
set(REIN_WITH_CUDA OFF)
if(NOT REIN_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES ${REIN_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # older CMakes do not know that newer nvccs speak C++20
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    find_package(CUDAToolkit 12 REQUIRED)
    set(REIN_WITH_CUDA ON)
  elseif(REIN_CUDA STREQUAL "AUTO")
    message(STATUS "No CUDA compiler: building for the CPU only")
  else()
    message(FATAL_ERROR "REIN_CUDA=ON needs nvcc 12 or newer on PATH (or CUDACXX=/path/to/nvcc).")
  endif()
endif()

# The room tensor is there twice: rein_tensor with the kernels as nvcc compiles them, and rein_tensor_emulated with the same
# kernels on the CPU, for tests (tensor/cuda/README.md). A program asks for the second with the property REIN_EMULATED.
function(rein_use_emulated target)
  if(REIN_WITH_CUDA)
    set_target_properties(${target} PROPERTIES REIN_EMULATED ON)
  endif()
endfunction()
