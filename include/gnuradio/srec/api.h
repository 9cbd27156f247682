/* SPDX-License-Identifier: GPL-3.0-or-later */
/*!
 * \file
 * Symbol visibility of the blocks.
 */
#ifndef INCLUDED_GNURADIO_SREC_API_H
#define INCLUDED_GNURADIO_SREC_API_H

#include <gnuradio/attributes.h>

/*!
 * \def GR_SREC_API
 * Marks an exported class or function of libgnuradio-srec.
 */
#ifdef gnuradio_srec_EXPORTS
#define GR_SREC_API __GR_ATTR_EXPORT
#else
#define GR_SREC_API __GR_ATTR_IMPORT
#endif

#endif /* INCLUDED_GNURADIO_SREC_API_H */
