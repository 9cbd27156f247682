/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Networks made in memory for the tests of the engine: JSON and safetensors written node by node, weights seeded.
 *  */
#ifndef SREC_TESTS_GRAPH_FIXTURES_H
#define SREC_TESTS_GRAPH_FIXTURES_H

extern "C" {
#include "../../lib/core/nn/nn.h"
}

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

/* A safetensors file in memory: 8 bytes of length, JSON, data. */
inline std::vector<uint8_t> safetensors_file(const std::string &header, const std::vector<uint8_t> &data)
{
    std::vector<uint8_t> file(8 + header.size() + data.size());
    for (unsigned i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)header.size() >> (8 * i));
    std::copy(header.begin(), header.end(), file.begin() + 8);
    std::copy(data.begin(), data.end(), file.begin() + 8 + (long)header.size());
    return file;
}

/* Writes a network: add inputs, nodes and outputs in order, then parse(). The result owns graph and weights. */
class network
{
public:
    explicit network(unsigned seed = 1) : d_random(seed) {}
    ~network()
    {
        srec_graph_free(d_graph);
        srec_safetensors_free(d_weights);
    }
    network(const network &) = delete;
    network &operator=(const network &) = delete;

    network &input(const std::string &name, unsigned channels)
    {
        d_inputs += (d_inputs.empty() ? "" : ",") +
                    ("{\"name\":\"" + name + "\",\"channels\":" + std::to_string(channels) + "}");
        d_channels[name] = channels;
        return *this;
    }
    /* kernel x kernel; pad: such that planes come out as size / stride; weights keep the power of the signal */
    network &conv(const std::string &in, const std::string &out, unsigned channels, unsigned kernel = 3,
                  unsigned stride = 1, bool relu = false, const std::string &add = "")
    {
        return conv_padded(in, out, channels, kernel, stride, (kernel - 1) / 2, relu, add);
    }
    network &conv_padded(const std::string &in, const std::string &out, unsigned channels, unsigned kernel,
                         unsigned stride, unsigned pad, bool relu, const std::string &add)
    {
        const unsigned fan = d_channels.at(in) * kernel * kernel;
        tensor(out + ".w", { channels, d_channels.at(in), kernel, kernel }, std::sqrt(3.0f / (float)fan));
        tensor(out + ".b", { channels }, 0.5f);
        node("{\"op\":\"conv\",\"in\":[\"" + in + "\"],\"out\":\"" + out + "\",\"weight\":\"" + out +
             ".w\",\"bias\":\"" + out + ".b\",\"stride\":" + std::to_string(stride) +
             ",\"pad\":" + std::to_string(pad) + (relu ? ",\"relu\":true" : "") +
             (add.empty() ? "" : ",\"add\":\"" + add + "\"") + "}");
        d_channels[out] = channels;
        return *this;
    }
    /* relu, sigmoid, add, mul, concat, pixel_shuffle, pixel_unshuffle */
    network &op(const std::string &kind, const std::vector<std::string> &in, const std::string &out,
                unsigned factor = 0)
    {
        std::string names;
        unsigned channels = 0;
        for (auto &i : in) {
            names += (names.empty() ? "\"" : ",\"") + i + "\"";
            channels = kind == "concat" ? channels + d_channels.at(i) : d_channels.at(i);
        }
        node("{\"op\":\"" + kind + "\",\"in\":[" + names + "],\"out\":\"" + out + "\"" +
             (factor ? ",\"factor\":" + std::to_string(factor) : "") + "}");
        d_channels[out] = kind == "pixel_shuffle"     ? channels / (factor * factor)
                          : kind == "pixel_unshuffle" ? channels * factor * factor
                                                      : channels;
        return *this;
    }
    network &output(const std::string &name)
    {
        d_outputs += (d_outputs.empty() ? "\"" : ",\"") + name + "\"";
        return *this;
    }
    std::string json() const
    {
        return "{\"inputs\":[" + d_inputs + "],\"nodes\":[" + d_nodes + "],\"outputs\":[" + d_outputs + "]}";
    }
    std::vector<uint8_t> weights() const { return safetensors_file("{" + d_header + "}", d_data); }
    srec_status try_parse(srec_error *error)
    {
        const auto file = weights();
        const std::string json = this->json();
        srec_status status = srec_safetensors_parse(file.data(), file.size(), &d_weights, error);
        return status == SREC_OK ? srec_graph_parse("test", json.data(), json.size(), d_weights, &d_graph, error)
                                 : status;
    }
    const srec_graph *parse()
    {
        srec_error error{};
        if (!d_graph && try_parse(&error) != SREC_OK)
            FAIL(error.message);
        return d_graph;
    }
    unsigned channels(const std::string &name) const { return d_channels.at(name); }

private:
    void node(const std::string &json) { d_nodes += (d_nodes.empty() ? "" : ",") + json; }
    void tensor(const std::string &name, std::initializer_list<unsigned> shape, float amplitude)
    {
        size_t count = 1, begin = d_data.size();
        std::string dims;
        for (unsigned s : shape) {
            count *= s;
            dims += (dims.empty() ? "" : ",") + std::to_string(s);
        }
        std::uniform_real_distribution<float> value(-amplitude, amplitude);
        for (size_t i = 0; i < count; i++) {
            const float f = value(d_random);
            uint8_t bytes[4];
            memcpy(bytes, &f, 4);
            d_data.insert(d_data.end(), bytes, bytes + 4);
        }
        d_header += (d_header.empty() ? "\"" : ",\"") + name + "\":{\"dtype\":\"F32\",\"shape\":[" + dims +
                    "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(d_data.size()) + "]}";
    }

    std::mt19937 d_random;
    std::string d_inputs, d_nodes, d_outputs, d_header;
    std::vector<uint8_t> d_data;
    std::map<std::string, unsigned> d_channels;
    srec_safetensors *d_weights = nullptr;
    srec_graph *d_graph = nullptr;
};

/* Like an enhancer: down by a stride and by an unshuffle, up by shuffles, skips by concat and by add, an attention
 * product.
 * 3 channels in and out, granule 8. */
inline void unet(network &n, unsigned width = 12)
{
    n.input("x", 3).conv("x", "a0", width, 3, 1, true).conv("a0", "a1", width, 3, 1, false, "a0");
    n.conv("a1", "b0", 2 * width, 3, 2, true)
        .conv("b0", "b1", 2 * width, 3, 1, true)
        .conv("b1", "b2", 2 * width, 3, 1, false, "b0");
    n.op("pixel_unshuffle", { "b2" }, "c0", 2)
        .conv("c0", "c1", 3 * width, 1, 1, true)
        .conv("c1", "c2", 3 * width, 3, 2, true)
        .conv("c2", "c3", 3 * width, 3);
    n.conv("c3", "d0", 4 * 3 * width, 3)
        .op("pixel_shuffle", { "d0" }, "d1", 2)
        .op("concat", { "d1", "c1" }, "d2")
        .conv("d2", "d3", 2 * width * 4, 3);
    n.op("pixel_shuffle", { "d3" }, "e0", 2).op("concat", { "e0", "b2" }, "e1").conv("e1", "e2", 2 * width, 3, 1, true);
    n.conv("e2", "g0", 2 * width, 1).op("sigmoid", { "g0" }, "g1").op("mul", { "e2", "g1" }, "e3"); /* attention */
    n.conv("e3", "f0", 4 * width, 3)
        .op("pixel_shuffle", { "f0" }, "f1", 2)
        .op("add", { "f1", "a1" }, "f2")
        .op("relu", { "f2" }, "f3");
    n.conv("f3", "y", 3, 3, 1, false, "x").output("y");
}

inline std::vector<float> random_plane(size_t count, unsigned seed)
{
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> value(-1.7f, 1.7f);
    std::vector<float> v(count);
    for (auto &f : v)
        f = value(random);
    return v;
}

inline std::vector<std::vector<float>> random_inputs(const srec_graph *g, size_t h, size_t w, unsigned seed)
{
    std::vector<std::vector<float>> in;
    for (unsigned i = 0; i < srec_graph_inputs(g); i++)
        in.push_back(random_plane(h * w * srec_graph_input_channels(g, i), seed + i));
    return in;
}

inline size_t output_count(const srec_graph *g, unsigned i, size_t h, size_t w)
{
    unsigned num, den;
    srec_graph_output_scale(g, i, &num, &den);
    return h * num / den * (w * num / den) * srec_graph_output_channels(g, i);
}

/* All outputs of one run of one plan. */
inline std::vector<std::vector<float>> run_whole(const srec_graph *g, const srec_compute &compute, size_t h, size_t w,
                                                 const std::vector<std::vector<float>> &in)
{
    srec_error error{};
    srec_plan *plan = nullptr;
    if (srec_plan_create(g, &compute, h, w, &plan, &error) != SREC_OK)
        FAIL(error.message);
    for (unsigned i = 0; i < in.size(); i++)
        memcpy(srec_plan_input(plan, i), in[i].data(), in[i].size() * sizeof(float));
    LONGS_EQUAL(SREC_OK, srec_plan_run(plan, &error));
    std::vector<std::vector<float>> out;
    for (unsigned i = 0; i < srec_graph_outputs(g); i++)
        out.emplace_back(srec_plan_output(plan, i), srec_plan_output(plan, i) + output_count(g, i, h, w));
    srec_plan_free(plan);
    return out;
}

/* Largest difference, relative to the largest magnitude of the expected plane; a NaN counts as infinite. */
inline double difference(const std::vector<float> &expected, const std::vector<float> &got)
{
    LONGS_EQUAL(expected.size(), got.size());
    double worst = 0, largest = 1e-30;
    for (size_t i = 0; i < expected.size(); i++) {
        const double d = fabs((double)expected[i] - got[i]);
        worst = d <= worst ? worst : d == d ? d : INFINITY;
        largest = std::max(largest, fabs((double)expected[i]));
    }
    return worst / largest;
}

#endif
