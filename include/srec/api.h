/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SREC_API_H
#define SREC_API_H

/*! Export macro of libsrec: everything else is hidden. */
#if defined(SREC_BUILDING)
#define SREC_API __attribute__((visibility("default")))
#else
#define SREC_API
#endif

#ifdef __cplusplus
#define SREC_BEGIN_DECLS extern "C" {
#define SREC_END_DECLS   }
#else
#define SREC_BEGIN_DECLS
#define SREC_END_DECLS
#endif

#endif /* SREC_API_H */
