/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PNG files as srec_image, by libpng's simplified interface. */
#ifndef PNG_FILE_H
#define PNG_FILE_H

#include <srec/srec.h>

/* Reads an 8-bit RGB or grey image. The caller frees image->data with free(). */
srec_status png_file_read(const char *path, srec_image *image, srec_error *error);

srec_status png_file_write(const char *path, const srec_image *image, srec_error *error);

#endif /* PNG_FILE_H */
