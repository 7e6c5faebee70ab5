"""The worlds' models in the format."""

MODEL = """
week_start_day: Saturday
fiscal_month_offset: 2
access_grants:
  sees: {user_attribute: sees, allowed_values: ["yes"]}
  counts: {user_attribute: counts, allowed_values: ["yes"]}
  dates: {user_attribute: dates, allowed_values: ["yes"]}
"""
VIEW = """
schema: omni_worlds
table_name: t@
dimensions:
  id: {primary_key: true}
  fk: {}
  s: {mask_unless_access_grants: [sees], aliases: [state]}
  n: {sql: CAST(n AS INT), aliases: [number], reads_in_clear: true}
  d: {sql: CAST(d AS DATE), timeframes: [raw, date, month, year, quarter], required_access_grants: [dates],
      aliases: [day], reads_in_clear: true}
  m: {aliases: [moment],
      timeframes: [raw, date, week, month, quarter, year, hour, hour_of_day, day_of_week_num, day_of_month, day_of_quarter,
                   day_of_year, month_num, month_name, quarter_of_year, fiscal_year, fiscal_quarter]}
  plus: {sql: "COALESCE(${n}, 0) + 1", aliases: [n_plus_one]}
  band: {sql: "${n}", bin_boundaries: [0, 5]}
  kind: {sql: "${s}", groups: [{filter: {is: [a, b]}, name: known}], else: other}
  tail: {sql: s, mask_unless_access_grants: [sees], mask: {keep_last: 1}}
  gone: {sql: s, mask_unless_access_grants: [sees], mask: redact}
  void: {sql: s, mask_unless_access_grants: [sees], mask: "null"}
  knot: {sql: "${tail}", groups: [{filter: {is: [a, b]}, name: known}], else: other}
  rough: {sql: CAST(n AS INT), mask_unless_access_grants: [sees], mask: {bucket: 4}}
  period: {sql: CAST(d AS DATE), mask_unless_access_grants: [sees], mask: {truncate_date: quarter}}
  own: {sql: "${n}", level_of_detail: {aggregate_type: sum, fixed: [@.s]}}
measures:
  count: {aggregate_type: count}
  total: {aggregate_type: sum, sql: "${n}", aliases: [sum_of_n], required_access_grants: [counts]}
  mean: {aggregate_type: average, sql: "${n}"}
  least: {aggregate_type: min, sql: "${n}"}
  most: {aggregate_type: max, sql: "${n}"}
  states: {aggregate_type: count_distinct, sql: "${s}"}
  filled: {aggregate_type: sum, sql: "COALESCE(${n}, 1)"}
  a_total: {aggregate_type: sum, sql: "${n}", filters: {s: {is: a}}}
  not_a: {aggregate_type: count, filters: {s: {not: a}}}
  ratio: {sql: "${total} * 1.0 / NULLIF(${count}, 0)", aliases: [share]}
  written: {sql: "SUM(${n}) + COUNT(DISTINCT ${s})"}
  names: {aggregate_type: list, sql: "${s}"}
  middle: {aggregate_type: median, sql: "${n}"}
  upper: {aggregate_type: percentile, percentile: 75, sql: "${n}"}
  per_s: {aggregate_type: average, sql: "${n}", level_of_detail: {aggregate_type: sum, fixed: [@.s]}}
  last: {aggregate_type: max, sql: "${gone}"}
  anyway: {aggregate_type: sum, sql: "${n}", filters: {s: {cancel_query_filter: true}}}
  before: {aggregate_type: count, filters: {d: {date_offset_from_query: 1 month}}}
  shades: {aggregate_type: count_distinct, sql: "${rough}"}
  endings: {aggregate_type: count_distinct, sql: "${tail}"}
  given: {aggregate_type: count, sql: "${void}"}
  ends: {aggregate_type: count, filters: {tail: {not: a}}}
  roughly: {aggregate_type: sum, sql: "${n}", filters: {rough: {greater_than: 2}}}
  tall: {sql: "SUM(${n}) + COUNT(*)", filters: {n: {greater_than: 2}}}
  few: {sql: "${not_a} - ${count}", filters: {n: {greater_than: 2}}}
  whole: {sql: "${anyway} - ${tall}"}
  later: {sql: "${total} + ${not_a}", filters: {d: {date_offset_from_query: 1 month}}}
  free: {sql: "${total} + ${not_a}", filters: {s: {cancel_query_filter: true}}}
  high_per_s: {aggregate_type: average, sql: "${n}", level_of_detail: {aggregate_type: sum, fixed: [@.s]},
               filters: {n: {greater_than: 2}}}
"""
ACROSS = """
  far: {aggregate_type: sum, sql: "${n}", filters: {v1.s: {is: a}}}
  both: {aggregate_type: sum, sql: "${n} + ${v1.n}"}
  far_few: {aggregate_type: count, filters: {v1.n: {not_greater_than: 1}}}
  far_per_s: {aggregate_type: average, sql: "${n}", level_of_detail: {aggregate_type: sum, fixed: [v0.s]},
              filters: {v1.s: {is: a}}}
"""
OTHER_NAMES = {
    "s": "state", "n": "number", "d": "day", "m": "moment", "plus": "n_plus_one", "total": "sum_of_n", "ratio": "share",
}  # fmt: skip
"""of fields, under which they can be asked for as well"""
# The view "q", whose rows are a query's: see QueryView.
QUERY_VIEW = """
dimensions:
  id: {primary_key: true}
  fk: {}
  s: {mask_unless_access_grants: [sees], aliases: [state]}
  n: {sql: CAST(n AS INT), aliases: [number]}
  twice: {sql: CAST(twice AS INT)}
  plus: {sql: "COALESCE(${n}, 0) + 1", aliases: [n_plus_one]}
  band: {sql: "${n}", bin_boundaries: [0, 5]}
  kind: {sql: "${s}", groups: [{filter: {is: [a, b]}, name: known}], else: other}
"""
QUERY_MEASURES = """
measures:
  count: {aggregate_type: count}
  total: {aggregate_type: sum, sql: "${n}", aliases: [sum_of_n]}
  mean: {aggregate_type: average, sql: "${n}"}
  least: {aggregate_type: min, sql: "${n}"}
  most: {aggregate_type: max, sql: "${n}"}
  states: {aggregate_type: count_distinct, sql: "${s}"}
  filled: {aggregate_type: sum, sql: "COALESCE(${n}, 1)"}
  a_total: {aggregate_type: sum, sql: "${n}", filters: {s: {is: a}}}
  not_a: {aggregate_type: count, filters: {s: {not: a}}}
  ratio: {sql: "${total} * 1.0 / NULLIF(${count}, 0)", aliases: [share]}
  written: {sql: "SUM(${n}) + COUNT(DISTINCT ${s})"}
  names: {aggregate_type: list, sql: "${s}"}
  middle: {aggregate_type: median, sql: "${n}"}
  upper: {aggregate_type: percentile, percentile: 75, sql: "${n}"}
"""
QUERY_TIMES = """
  d: {sql: CAST(d AS DATE), timeframes: [raw, date, month, year, quarter], aliases: [day]}
  m: {aliases: [moment],
      timeframes: [raw, date, week, month, quarter, year, hour, hour_of_day, day_of_week_num, day_of_month, day_of_quarter,
                   day_of_year, month_num, month_name, quarter_of_year, fiscal_year, fiscal_quarter]}
"""
COMPOSITE = """
topics: [T, U]
shared_dimensions:
  s: {mappings: {T: v0.s, U: @.s}}
  n: {mappings: {T: v0.n, U: @.n}}
  month: {mappings: {T: "v0.d[month]", U: "@.d[month]"}}
  m: {mappings: {T: v0.m, U: @.m}}
"""
SHARED = {"s": "s", "n": "n", "month": "d[month]", "m": "m"}
"""What the shared dimensions are in each topic's base view."""
