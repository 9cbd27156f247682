/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Functions that create an object set it to NULL on error, with bad arguments too. */
#include <srec/srec.h>

#include <CppUTest/TestHarness.h>

TEST_GROUP(create){};

/* Calls a function with the address of a pointer that is not NULL. */
template <class Object, class Create>
static void refused(const Create &create)
{
    int there;
    auto *object = reinterpret_cast<Object *>(&there);
    srec_error error{};
    LONGS_EQUAL(SREC_ERR_ARG, create(&object, &error));
    POINTERS_EQUAL(nullptr, object);
    CHECK(*error.message);
}

TEST(create, bad_arguments_leave_no_object)
{
    refused<srec_model>([](auto out, auto error) { return srec_model_load(nullptr, out, error); });
    refused<srec_enhancer_model>([](auto out, auto error) { return srec_enhancer_model_load(nullptr, out, error); });
    refused<srec_encoder>([](auto out, auto error) { return srec_encoder_create(nullptr, nullptr, out, error); });
    refused<srec_decoder>([](auto out, auto error) { return srec_decoder_create(nullptr, nullptr, out, error); });
    refused<srec_enhancer>([](auto out, auto error) { return srec_enhancer_create(nullptr, nullptr, out, error); });
    refused<srec_estimator>([](auto out, auto error) { return srec_estimator_create(nullptr, out, error); });
    refused<srec_scrambler>([](auto out, auto error) { return srec_scrambler_create(nullptr, 1, out, error); });
    refused<srec_packet_encoder>(
        [](auto out, auto error) { return srec_packet_encoder_create(nullptr, 1, out, error); });
    refused<srec_packet_decoder>(
        [](auto out, auto error) { return srec_packet_decoder_create(nullptr, nullptr, out, error); });
    refused<srec_layer_packet_encoder>(
        [](auto out, auto error) { return srec_layer_packet_encoder_create(nullptr, nullptr, out, error); });
    refused<srec_layer_packet_decoder>(
        [](auto out, auto error) { return srec_layer_packet_decoder_create(nullptr, 0, out, error); });
    const srec_layers_format empty{};
    refused<srec_layer_decoder>([&](auto out, auto error) { return srec_layer_decoder_create(&empty, 1, out, error); });
    const srec_ldpc_options too_many{ 1000, 1, 0 };
    refused<srec_ldpc_decoder>([&](auto out, auto error) { return srec_ldpc_decoder_create(&too_many, out, error); });
    refused<srec_impairments>([](auto out, auto error) { return srec_impairments_create(nullptr, 1, out, error); });
    const srec_waveform waveform{};
    refused<srec_sync>(
        [&](auto out, auto error) { return srec_sync_create(&waveform, SREC_QPSK, nullptr, nullptr, out, error); });
}
