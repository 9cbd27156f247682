/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Symbol visibility, and C linkage for C++ programs. */
#ifndef SREC_API_H
#define SREC_API_H

/*! \def SREC_API
 *  Marks an exported function of libsrec. The library hides all other symbols. */
#if defined(SREC_BUILDING)
#define SREC_API __attribute__((visibility("default")))
#else
#define SREC_API
#endif

/*! \def SREC_BEGIN_DECLS
 *  Begins declarations with C linkage. */
/*! \def SREC_END_DECLS
 *  Ends declarations with C linkage. */
#ifdef __cplusplus
#define SREC_BEGIN_DECLS extern "C" {
#define SREC_END_DECLS   }
#else
#define SREC_BEGIN_DECLS
#define SREC_END_DECLS
#endif

#endif /* SREC_API_H */
