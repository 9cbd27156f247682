/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  oneDNN backend: weights and biases of convolutions, in the layouts that oneDNN chooses.
 *
 *  The weights are placed here, not by oneDNN's reorder. On AVX-512 processors oneDNN 3.7.2 loses weights when it
 *  reorders into blocks of 32 and more output channels of which the last is not full, in f32 and bf16. */
#include "onednn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AXES 4 /* of weights: out, in, height, width */

/* Position in memory of the graph's channel \p channel. */
static size_t place(unsigned factor, size_t channels, size_t channel)
{
    if (!factor)
        return channel;
    const size_t area = (size_t)factor * factor;
    return channel % area * (channels / area) + channel / area;
}

/* Elements from the start of the memory to index \p index of an axis. Blocks divide the axes independently, so the
 * offset of an element is the sum over its four indices. */
static size_t offset_along(const srec_dnnl_blocking *blocking, int axis, size_t index)
{
    size_t offset = 0;
    size_t elements = 1; /* of one index of the current inner block */
    for (int i = blocking->n_inner - 1; i >= 0; i--) {
        const size_t size = (size_t)blocking->inner_size[i];
        if (blocking->inner_axis[i] == axis) {
            offset += index % size * elements;
            index /= size;
        }
        elements *= size;
    }
    return offset + index * (size_t)blocking->strides[axis];
}

/* Round to nearest, ties to even. */
static uint16_t to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void store(dnnl_data_type_t type, void *data, size_t at, float x)
{
    if (type == dnnl_bf16)
        ((uint16_t *)data)[at] = to_bf16(x);
    else
        ((float *)data)[at] = x;
}

/* A new memory and its data. */
static dnnl_status_t create_memory(srec_onednn *o, dnnl_const_md md, dnnl_memory_t *out, void **data)
{
    dnnl_status_t status = dnnl_memory_create(out, md, o->engine, DNNL_MEMORY_ALLOCATE);
    if (status == dnnl_success)
        status = dnnl_memory_get_data_handle(*out, data);
    o->weight_bytes += dnnl_memory_desc_get_size(md);
    return status;
}

/* \param offsets scratch: one for each index of each axis */
static srec_status take_weights(srec_onednn *o, unsigned n, dnnl_const_md want, float *file, size_t *offsets)
{
    const srec_node *node = &o->graph->nodes[n];
    const size_t *shape = node->weight->shape;
    srec_dnnl_blocking blocking;
    void *data;
    SREC_ONEDNN_TRY(srec_dnnl_get_blocking(want, &blocking));
    SREC_ONEDNN_TRY(create_memory(o, want, &o->steps[n].weights, &data));
    memset(data, 0, dnnl_memory_desc_get_size(want)); /* what fills up blocks is zero */
    srec_tensor_to_f32(node->weight, file);

    const unsigned factors[AXES] = { o->permuted[node->out], o->permuted[node->in[0]], 0, 0 };
    const size_t *offset[AXES];
    for (int axis = 0; axis < AXES; axis++) {
        for (size_t i = 0; i < shape[axis]; i++)
            offsets[i] = offset_along(&blocking, axis, place(factors[axis], shape[axis], i));
        offset[axis] = offsets;
        offsets += shape[axis];
    }
    for (size_t out = 0; out < shape[0]; out++)
        for (size_t in = 0; in < shape[1]; in++)
            for (size_t y = 0; y < shape[2]; y++)
                for (size_t x = 0; x < shape[3]; x++)
                    store(o->compute, data, offset[0][out] + offset[1][in] + offset[2][y] + offset[3][x], *file++);
    return SREC_OK;
}

/* A node without a bias gets zeros.
 * \param file scratch of at least the bias's size in f32 */
static srec_status take_bias(srec_onednn *o, unsigned n, float *file)
{
    const srec_node *node = &o->graph->nodes[n];
    const size_t channels = node->weight->shape[0];
    const dnnl_dims_t dims = { (dnnl_dim_t)channels };
    void *data = NULL;
    dnnl_md md = NULL;
    dnnl_status_t status = dnnl_memory_desc_create_with_tag(&md, 1, dims, dnnl_f32, dnnl_x);
    if (status == dnnl_success)
        status = create_memory(o, md, &o->steps[n].bias, &data);
    dnnl_memory_desc_destroy(md);
    if (status != dnnl_success)
        return SREC_ERR_INTERNAL;
    memset(file, 0, channels * sizeof *file);
    if (node->bias)
        srec_tensor_to_f32(node->bias, file);
    for (size_t i = 0; i < channels; i++)
        store(dnnl_f32, data, place(o->permuted[node->out], channels, i), file[i]);
    return SREC_OK;
}

srec_status srec_onednn_take_parameters(srec_onednn *o, unsigned n, dnnl_const_md want)
{
    const srec_tensor *weight = o->graph->nodes[n].weight;
    const size_t *shape = weight->shape;
    float *file = malloc(weight->count * sizeof *file);
    size_t *offsets = malloc((shape[0] + shape[1] + shape[2] + shape[3]) * sizeof *offsets);
    srec_status status = file && offsets ? take_weights(o, n, want, file, offsets) : SREC_ERR_MEMORY;
    if (status == SREC_OK)
        status = take_bias(o, n, file);
    free(file);
    free(offsets);
    return status;
}
