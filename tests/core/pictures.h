/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images for tests: synthetic ones, and photographs where a folder of them is at hand. */
#ifndef PICTURES_H
#define PICTURES_H

#include <srec/image.h>
#include <srec/metrics.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <png.h>

struct picture {
    std::vector<uint8_t> samples;
    srec_image image;

    picture(uint32_t width, uint32_t height, unsigned channels)
        : samples((size_t)width * height * channels, 0), image{ width, height, (uint8_t)channels,
                                                                (size_t)width * channels, samples.data() }
    {
    }
    picture(const picture &other) : samples(other.samples), image(other.image) { image.data = samples.data(); }
    picture &operator=(const picture &) = delete;

    double psnr(const picture &other) const
    {
        double db = 0;
        return srec_psnr(&image, &other.image, &db) == SREC_OK ? db : -1;
    }
};

/* Noise on a grid of \p cell pixels, interpolated smoothly. */
class value_noise
{
public:
    value_noise(uint32_t width, uint32_t height, unsigned cell, std::mt19937 &random)
        : d_cell(cell), d_columns(width / cell + 2), d_values((size_t)d_columns * (height / cell + 2))
    {
        for (auto &v : d_values)
            v = (float)(random() % 2001) / 1000 - 1;
    }

    float at(uint32_t x, uint32_t y) const
    {
        const uint32_t column = x / d_cell, row = y / d_cell;
        const float a = ease((float)(x % d_cell) / (float)d_cell), b = ease((float)(y % d_cell) / (float)d_cell);
        const float *p = &d_values[(size_t)row * d_columns + column], *q = p + d_columns;
        return (1 - b) * ((1 - a) * p[0] + a * p[1]) + b * ((1 - a) * q[0] + a * q[1]);
    }

private:
    unsigned d_cell, d_columns;
    std::vector<float> d_values;

    static float ease(float t) { return t * t * (3 - 2 * t); }
};

/* Like a photograph: power falls with the square of frequency, colours are correlated, edges part surfaces. */
inline picture synthetic_photo(uint32_t width, uint32_t height, unsigned channels, unsigned seed = 1)
{
    picture p(width, height, channels);
    std::mt19937 random(seed);
    std::vector<value_noise> octaves, tints;
    for (unsigned cell = 128; cell >= 1; cell /= 2)
        octaves.emplace_back(width, height, cell, random);
    for (unsigned c = 0; c < channels; c++)
        tints.emplace_back(width, height, 64, random);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            float v = 0, amplitude = 34;
            for (const auto &o : octaves) {
                v += amplitude * o.at(x, y);
                amplitude *= 0.8f;
            }
            if (v > 14) /* a surface in front */
                v = 0.6f * v + 40;
            for (unsigned c = 0; c < channels; c++) {
                const float s = 118 + v + 22 * tints[c].at(x, y);
                p.samples[((size_t)y * width + x) * channels + c] = (uint8_t)(s < 0 ? 0 : s > 255 ? 255 : s);
            }
        }
    return p;
}

/* Photograph \p name of the folder of Kodak images. An image of 1x1 pixels if there is none. */
inline picture kodak(const std::string &name)
{
    const char *folder = std::getenv("SREC_TEST_IMAGES");
    png_image file;
    std::memset(&file, 0, sizeof file);
    file.version = PNG_IMAGE_VERSION;
    const std::string path = std::string(folder ? folder : "/nowhere") + "/kodak/" + name + ".png";
    if (!png_image_begin_read_from_file(&file, path.c_str()))
        return picture(1, 1, 3);
    file.format = PNG_FORMAT_RGB;
    picture p(file.width, file.height, 3);
    png_image_finish_read(&file, nullptr, p.samples.data(), 0, nullptr);
    return p;
}

#endif /* PICTURES_H */
