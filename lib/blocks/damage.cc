/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage.h"

#include <utility>
#include <vector>

namespace gr {
namespace srec {

static std::vector<std::pair<const char*, double*>> fields(srec_damage& d)
{
    return { { key::header_bits, &d.header_bits },
             { key::header_errors, &d.header_errors },
             { key::header_errors_expected, &d.header_errors_expected },
             { key::header_errors_tolerated, &d.header_errors_tolerated },
             { key::features, &d.features },
             { key::features_random, &d.features_random },
             { key::within_sum, &d.within.sum },
             { key::within_expected, &d.within.expected },
             { key::within_variance, &d.within.variance },
             { key::between_sum, &d.between.sum },
             { key::between_variance, &d.between.variance } };
}

pmt::pmt_t put_damage(const pmt::pmt_t& meta, const srec_damage& damage)
{
    srec_damage copy = damage;
    pmt::pmt_t dict = pmt::make_dict();
    for (const auto& [name, value] : fields(copy))
        dict = put_real(dict, name, *value);
    dict = put(
        dict, key::suspect, srec_damage_is_suspect(&damage) ? pmt::PMT_T : pmt::PMT_F);
    return put(meta, key::damage, dict);
}

srec_damage get_damage(const pmt::pmt_t& meta)
{
    srec_damage damage{};
    const pmt::pmt_t dict = pmt::dict_ref(meta, intern_key(key::damage), pmt::PMT_NIL);
    if (!pmt::is_dict(dict) || pmt::is_null(dict))
        return damage;
    for (const auto& [name, value] : fields(damage)) {
        const pmt::pmt_t v = pmt::dict_ref(dict, intern_key(name), pmt::PMT_NIL);
        if (pmt::is_real(v))
            *value = pmt::to_double(v);
    }
    return damage;
}

pmt::pmt_t put_damage_figures(pmt::pmt_t meta, const srec_damage& damage)
{
    if (damage.header_bits > 0) {
        meta = put_real(meta, key::header_errors, damage.header_errors);
        meta = put_real(meta, key::header_errors_expected, damage.header_errors_expected);
    }
    if (damage.features > 0)
        meta = put_real(
            meta, key::random_percent, 100 * damage.features_random / damage.features);
    if (damage.within.expected > 0)
        meta = put_real(meta, key::relation, damage.within.sum / damage.within.expected);
    if (damage.header_bits > 0 || damage.features > 0)
        meta = put(meta,
                   key::suspect,
                   srec_damage_is_suspect(&damage) ? pmt::PMT_T : pmt::PMT_F);
    return meta;
}

} // namespace srec
} // namespace gr
