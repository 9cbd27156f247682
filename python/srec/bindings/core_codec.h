/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A codec model and coded images in srec_core. */
#ifndef SREC_BINDINGS_CORE_CODEC_H
#define SREC_BINDINGS_CORE_CODEC_H

#include "core_common.h"

/* A model file, and the encoders and decoders made for it. */
struct model {
    handle<srec_model, srec_model_free> m;
    srec_compute compute{};
    kept<srec_encoder, srec_encoder_free> encoders;
    kept<srec_decoder, srec_decoder_free> decoders;
    kept<srec_estimator, srec_estimator_free> estimators;

    model(const std::string &path, unsigned threads);
    handle<srec_encoder, srec_encoder_free> encoder();
    handle<srec_decoder, srec_decoder_free> decoder();
    handle<srec_estimator, srec_estimator_free> estimator();
};

/* A coded image that owns its bytes. */
struct coded {
    srec_features f;
    std::vector<uint8_t> rate_map, bytes;
    explicit coded(const srec_features &from);
};

/* A slice of a coded image that owns its bytes. */
struct slice {
    srec_slice s{};
    std::vector<uint8_t> rate_map, bytes;
};

#endif /* SREC_BINDINGS_CORE_CODEC_H */
