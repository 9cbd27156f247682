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

/*! \def SREC_NONNULL
 *  These parameters, counted from 1, must not be NULL: the function does not check them. Compilers warn about NULL. */
/*! \def SREC_WARN_UNUSED
 *  Ignoring the result is a fault, and compilers warn. Functions without it fail only on wrong arguments, return
 *  a figure, or return what happened to a received packet. */
#if defined(__GNUC__)
#define SREC_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define SREC_WARN_UNUSED  __attribute__((warn_unused_result))
#else
#define SREC_NONNULL(...)
#define SREC_WARN_UNUSED
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
