/* For processors with AVX-512 as Cascade Lake has it, with VNNI; empty for others. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi,bmi2,popcnt,lzcnt"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,bmi,bmi2,popcnt,lzcnt")
#endif
#define ENGINE engine_avx512vnni
#define LEVEL 2
#define HAS_COMPRESS 0
#define HAS_VNNI 1
#include "engine_impl.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
