/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The C API of oneDNN 3, on oneDNN 2 as well.
 *
 *  The engine is written against version 3. Version 2 has structures where version 3 has handles, and it creates a
 *  primitive descriptor in two steps. The functions below give version 2 the names and arguments of version 3. */
#ifndef SREC_NN_DNNL_API_H
#define SREC_NN_DNNL_API_H

#include <dnnl.h>
#include <string.h>

/* A blocked layout. */
typedef struct srec_dnnl_blocking {
    dnnl_dims_t strides;    /* (axes) elements from one outermost block to the next */
    dnnl_dims_t inner_size; /* (n_inner) indices in each inner block, the innermost block last */
    dnnl_dims_t inner_axis; /* (n_inner) axis that the block divides */
    int n_inner;
} srec_dnnl_blocking;

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t dnnl_md; /* a memory descriptor, owned */
typedef const_dnnl_memory_desc_t dnnl_const_md;

static inline dnnl_status_t srec_dnnl_get_blocking(dnnl_const_md md, srec_dnnl_blocking *out)
{
    dnnl_format_kind_t kind;
    const dnnl_dims_t *strides;
    const dnnl_dims_t *sizes;
    const dnnl_dims_t *axes;
    dnnl_status_t status = dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind);
    if (status == dnnl_success && kind != dnnl_blocked)
        status = dnnl_unimplemented;
    if (status == dnnl_success)
        status = dnnl_memory_desc_query(md, dnnl_query_strides, &strides);
    if (status == dnnl_success)
        status = dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &out->n_inner);
    if (status == dnnl_success)
        status = dnnl_memory_desc_query(md, dnnl_query_inner_blks, &sizes);
    if (status == dnnl_success)
        status = dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &axes);
    if (status != dnnl_success)
        return status;
    memcpy(out->strides, *strides, sizeof out->strides);
    memcpy(out->inner_size, *sizes, sizeof out->inner_size);
    memcpy(out->inner_axis, *axes, sizeof out->inner_axis);
    return dnnl_success;
}

#else

#include <stdlib.h>

typedef dnnl_memory_desc_t *dnnl_md; /* a memory descriptor, owned */
typedef const dnnl_memory_desc_t *dnnl_const_md;

/* Version 3 changed the arguments of these four. Version 2 has no zero point and no type for a sum. */
#define dnnl_post_ops_append_sum(post, scale, zero_point, type) dnnl_post_ops_append_sum(post, scale)
#define dnnl_post_ops_append_eltwise(post, algorithm, alpha, beta)                                                     \
    dnnl_post_ops_append_eltwise(post, 1.0f, algorithm, alpha, beta)
#define dnnl_concat_primitive_desc_create(...) srec_dnnl_concat_primitive_desc_create(__VA_ARGS__)
#define dnnl_sum_primitive_desc_create(...)    srec_dnnl_sum_primitive_desc_create(__VA_ARGS__)

static inline dnnl_status_t srec_dnnl_get_blocking(dnnl_const_md md, srec_dnnl_blocking *out)
{
    if (md->format_kind != dnnl_blocked)
        return dnnl_unimplemented;
    memcpy(out->strides, md->format_desc.blocking.strides, sizeof out->strides);
    memcpy(out->inner_size, md->format_desc.blocking.inner_blks, sizeof out->inner_size);
    memcpy(out->inner_axis, md->format_desc.blocking.inner_idxs, sizeof out->inner_axis);
    out->n_inner = md->format_desc.blocking.inner_nblks;
    return dnnl_success;
}

static inline dnnl_status_t dnnl_memory_desc_create_with_tag(dnnl_md *md, int rank, const dnnl_dims_t dims,
                                                             dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    *md = malloc(sizeof **md);
    if (!*md)
        return dnnl_out_of_memory;
    return dnnl_memory_desc_init_by_tag(*md, rank, dims, type, tag);
}

static inline dnnl_status_t dnnl_memory_desc_destroy(dnnl_md md)
{
    free(md);
    return dnnl_success;
}

static inline dnnl_status_t
dnnl_convolution_forward_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t kind,
                                               dnnl_alg_kind_t algorithm, dnnl_const_md src, dnnl_const_md weights,
                                               dnnl_const_md bias, dnnl_const_md dst, const dnnl_dims_t strides,
                                               const dnnl_dims_t dilates, const dnnl_dims_t pad_left,
                                               const dnnl_dims_t pad_right, const_dnnl_primitive_attr_t attr)
{
    (void)dilates; /* the engine does not dilate: NULL in version 3 */
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_convolution_forward_desc_init(&desc, kind, algorithm, src, weights, bias, dst, strides,
                                                              pad_left, pad_right);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
}

static inline dnnl_status_t dnnl_eltwise_forward_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                                       dnnl_prop_kind_t kind, dnnl_alg_kind_t algorithm,
                                                                       dnnl_const_md src, dnnl_const_md dst,
                                                                       float alpha, float beta,
                                                                       const_dnnl_primitive_attr_t attr)
{
    (void)dst; /* version 2 uses the type of the source */
    dnnl_eltwise_desc_t desc;
    dnnl_status_t status = dnnl_eltwise_forward_desc_init(&desc, kind, algorithm, src, alpha, beta);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
}

static inline dnnl_status_t dnnl_binary_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                              dnnl_alg_kind_t algorithm, dnnl_const_md a,
                                                              dnnl_const_md b, dnnl_const_md dst,
                                                              const_dnnl_primitive_attr_t attr)
{
    dnnl_binary_desc_t desc;
    dnnl_status_t status = dnnl_binary_desc_init(&desc, algorithm, a, b, dst);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
}

/* Version 2 takes an array of structures, version 3 an array of handles.
 * \return the structures, to be freed; NULL if out of memory */
static inline dnnl_memory_desc_t *srec_dnnl_structures(int n, const dnnl_const_md *src)
{
    dnnl_memory_desc_t *structures = malloc((size_t)n * sizeof *structures);
    for (int i = 0; structures && i < n; i++)
        structures[i] = *src[i];
    return structures;
}

static inline dnnl_status_t srec_dnnl_concat_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                                   dnnl_const_md dst, int n, int axis,
                                                                   const dnnl_const_md *src,
                                                                   const_dnnl_primitive_attr_t attr)
{
    dnnl_memory_desc_t *structures = srec_dnnl_structures(n, src);
    if (!structures)
        return dnnl_out_of_memory;
    dnnl_status_t status = (dnnl_concat_primitive_desc_create)(pd, dst, n, axis, structures, attr, engine);
    free(structures);
    return status;
}

static inline dnnl_status_t srec_dnnl_sum_primitive_desc_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                                dnnl_const_md dst, int n, const float *scales,
                                                                const dnnl_const_md *src,
                                                                const_dnnl_primitive_attr_t attr)
{
    dnnl_memory_desc_t *structures = srec_dnnl_structures(n, src);
    if (!structures)
        return dnnl_out_of_memory;
    dnnl_status_t status = (dnnl_sum_primitive_desc_create)(pd, dst, n, scales, structures, attr, engine);
    free(structures);
    return status;
}

#endif

#endif /* SREC_NN_DNNL_API_H */
