/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  check_tidy.sh includes this before each source of lib/core. clang-tidy analyses one source at a time: without the
 *  body of srec_fail() it assumes that a function which fails may return SREC_OK. */
#include <srec/status.h>

#define srec_fail(error, status, ...) (srec_fail(error, status, __VA_ARGS__), (status))
