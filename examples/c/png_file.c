/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "png_file.h"

#include <png.h>
#include <stdlib.h>

srec_status png_file_read(const char *path, srec_image *image, srec_error *error)
{
    png_image png = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_file(&png, path))
        return srec_fail(error, SREC_ERR_IO, "%s: %s", path, png.message);
    const bool grey = !(png.format & PNG_FORMAT_FLAG_COLOR);
    png.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    *image = (srec_image){
        .width = png.width,
        .height = png.height,
        .channels = grey ? 1 : 3,
        .stride = PNG_IMAGE_ROW_STRIDE(png),
        .data = malloc(PNG_IMAGE_SIZE(png)),
    };
    const png_color white = { 255, 255, 255 };
    if (!image->data || !png_image_finish_read(&png, &white, image->data, 0, NULL)) {
        png_image_free(&png);
        free(image->data);
        image->data = NULL;
        return srec_fail(error, SREC_ERR_IO, "%s: %s", path, png.message[0] ? png.message : "out of memory");
    }
    return SREC_OK;
}

srec_status png_file_write(const char *path, const srec_image *image, srec_error *error)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = image->width,
        .height = image->height,
        .format = image->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB,
    };
    if (!png_image_write_to_file(&png, path, 0, image->data, (png_int_32)image->stride, NULL))
        return srec_fail(error, SREC_ERR_IO, "%s: %s", path, png.message);
    return SREC_OK;
}
