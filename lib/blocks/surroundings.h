/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The blocks behind a source of images in the flowgraph, so that the source can
 *  follow their pace. Everything here is valid from the block's start() on. Before
 *  that, hierarchical blocks have not been flattened. */
#ifndef INCLUDED_SREC_SURROUNDINGS_H
#define INCLUDED_SREC_SURROUNDINGS_H

#include "common.h"

#include <gnuradio/basic_block.h>
#include <string>

namespace gr {
namespace srec {

/* \return true if a block behind \p source, reached over messages and streams, sends
 * messages to its port \p port */
GR_SREC_API bool feeds_back(const gr::basic_block_sptr& source, const std::string& port);
/* Connects the `info` of each encoder and mapper that \p source reaches over
 * messages to its port \p port. Only in start(), when no block sends messages yet.
 * \return how many there are */
GR_SREC_API int follow(const gr::basic_block_sptr& source, const std::string& port);
/* Number of messages in the queues of the blocks connected to the port \p port of \p
 * source. */
GR_SREC_API size_t waiting_behind(const gr::basic_block_sptr& source,
                                  const std::string& port);
/* True if a block that \p source reaches over messages has worked on one message for more
 * than a second. */
GR_SREC_API bool busy_behind(const gr::basic_block_sptr& source);
/* Items that these blocks have written to streams so far. */
GR_SREC_API uint64_t items_behind(const gr::basic_block_sptr& source);

} // namespace srec
} // namespace gr

#endif
