/* For any processor. */
#define ENGINE engine_any
#define LEVEL 0
#include "engine_impl.h"

const Engine *best_engine(int most, const char **name) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (most >= 2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi2")) {
        int has_vnni = __builtin_cpu_supports("avx512vnni") != 0;
        int has_both = has_vnni && __builtin_cpu_supports("avx512vbmi2");
        *name = has_both ? "avx512" : has_vnni ? "avx512vnni" : "avx512bw";
        return has_both ? &engine_avx512 : has_vnni ? &engine_avx512vnni : &engine_avx512bw;
    }
    if (most >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2")) {
        *name = "avx2";
        return &engine_avx2;
    }
#else
    (void)most;
#endif
    *name = "portable";
    return &engine_any;
}
