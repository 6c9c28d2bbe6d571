/* For processors with AVX2, FMA and BMI; empty for others. All that have AVX2 have F16C. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt,lzcnt"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,bmi,bmi2,popcnt,lzcnt")
#endif
#define ENGINE engine_avx2
#define LEVEL 1
#include "engine_impl.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
