/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_API_H
#define INCLUDED_GNURADIO_SREC_API_H

#include <gnuradio/attributes.h>

#ifdef gnuradio_srec_EXPORTS
#define GR_SREC_API __GR_ATTR_EXPORT
#else
#define GR_SREC_API __GR_ATTR_IMPORT
#endif

#endif /* INCLUDED_GNURADIO_SREC_API_H */
