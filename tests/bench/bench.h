/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What the programs that measure speed share. */
#ifndef SREC_BENCH_H
#define SREC_BENCH_H

#include <srec/image.h>
#include <srec/status.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Seconds on the wall clock. */
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* \param v (n) is sorted */
static inline double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, ascending);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

/* Exit with a line on failure. */
static inline void check(srec_status status, const srec_error *error, const char *what)
{
    if (status == SREC_OK)
        return;
    fprintf(stderr, "bench: %s: %s (%s)\n", what, srec_strerror(status), error ? error->message : "");
    exit(1);
}

/* Memory, or exit. */
static inline void *get(size_t n)
{
    void *p = malloc(n);
    if (!p) {
        fprintf(stderr, "bench: out of memory\n");
        exit(1);
    }
    return p;
}

/* Binary PPM (P6, maxval 255). */
static inline srec_image read_ppm(const char *path)
{
    srec_image image = { .channels = 3 };
    unsigned max = 0;
    FILE *f = fopen(path, "rb");
    if (!f || fscanf(f, "P6 %u %u %u", &image.width, &image.height, &max) != 3 || max != 255 || fgetc(f) == EOF) {
        fprintf(stderr, "bench: %s is not a binary PPM image\n", path);
        exit(1);
    }
    image.stride = (size_t)image.width * 3;
    image.data = get(image.stride * image.height);
    if (fread(image.data, image.stride, image.height, f) != image.height) {
        fprintf(stderr, "bench: %s is cut short\n", path);
        exit(1);
    }
    fclose(f);
    return image;
}

#endif /* SREC_BENCH_H */
