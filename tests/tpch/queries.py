"""TPC-H's questions as users ask them here, beside the official SQL with its validation parameters.

Columns of the SQL are in the order of the answer: dimensions first.
"""

from typing import Any

PRICE = "l_extendedprice * (1 - l_discount)"


def ask(dataset: str, *fields: str, **rest: Any) -> dict[str, Any]:
    return {"dataset": dataset, "fields": list(fields), "limit": 50_000, **rest}


def desc(field: str) -> dict[str, Any]:
    return {"field": field, "desc": True}


def between(low: str, high: str) -> dict[str, Any]:
    return {"between_dates": [low, high]}


BRANDS = (("Brand#12", "SM", ["CASE", "BOX", "PACK", "PKG"], 1, 5), ("Brand#23", "MED", ["BAG", "BOX", "PKG", "PACK"], 10, 10),
          ("Brand#34", "LG", ["CASE", "BOX", "PACK", "PKG"], 20, 15))  # fmt: skip
QUESTIONS: dict[int, dict[str, Any]] = {
    1: ask(
        "Lines", "lineitem.l_returnflag", "lineitem.l_linestatus", "lineitem.quantity", "lineitem.base_price",
        "lineitem.revenue", "lineitem.charge", "lineitem.average_quantity", "lineitem.average_price",
        "lineitem.average_discount", "lineitem.count", filters={"lineitem.l_shipdate": {"before": "1998-09-03"}},
    ),
    2: ask(
        "Supply", "supplier.s_acctbal", "supplier.s_name", "supplier_nation.n_name", "part.p_partkey", "part.p_mfgr",
        "supplier.s_address", "supplier.s_phone", "supplier.s_comment", limit=100,
        filters={"part.p_size": {"is": 15}, "part.p_type": {"ends_with": "BRASS"}, "supplier_region.r_name": {"is": "EUROPE"},
                 "partsupp.is_cheapest": {"is": True}},
        sorts=[desc("supplier.s_acctbal"), {"field": "supplier_nation.n_name"}, {"field": "supplier.s_name"}, {"field": "part.p_partkey"}],
    ),
    3: ask(
        "Lines", "lineitem.l_orderkey", "orders.o_orderdate", "orders.o_shippriority", "lineitem.revenue", limit=10,
        filters={"customer.c_mktsegment": {"is": "BUILDING"}, "orders.o_orderdate": {"before": "1995-03-15"},
                 "lineitem.l_shipdate": {"on_or_after": "1995-03-16"}},
        sorts=[desc("lineitem.revenue"), {"field": "orders.o_orderdate"}],
    ),
    4: ask(
        "Orders", "orders.o_orderpriority", "orders.count", sorts=[{"field": "orders.o_orderpriority"}],
        filters={"orders.o_orderdate": between("1993-07-01", "1993-10-01"), "lineitem.is_late": {"is": True}},
    ),
    5: ask(
        "Lines", "nation.n_name", "lineitem.revenue", sorts=[desc("lineitem.revenue")],
        filters={"lineitem.is_local": {"is": True}, "region.r_name": {"is": "ASIA"},
                 "orders.o_orderdate": between("1994-01-01", "1995-01-01")},
    ),
    6: ask(
        "Lines", "lineitem.forgone",
        filters={"lineitem.l_shipdate": between("1994-01-01", "1995-01-01"), "lineitem.l_discount": {"between": [0.05, 0.07]},
                 "lineitem.l_quantity": {"less_than": 24}},
    ),
    7: ask(
        "Lines", "supplier_nation.n_name", "nation.n_name", "lineitem.l_shipdate[year]", "lineitem.revenue",
        filters={"lineitem.l_shipdate": between("1995-01-01", "1997-01-01"),
                 "or": [{"supplier_nation.n_name": {"is": "FRANCE"}, "nation.n_name": {"is": "GERMANY"}},
                        {"supplier_nation.n_name": {"is": "GERMANY"}, "nation.n_name": {"is": "FRANCE"}}]},
        sorts=[{"field": "supplier_nation.n_name"}, {"field": "nation.n_name"}, {"field": "lineitem.l_shipdate[year]"}],
    ),
    8: ask(
        "Lines", "orders.o_orderdate[year]", "lineitem.brazilian_share",
        filters={"region.r_name": {"is": "AMERICA"}, "orders.o_orderdate": between("1995-01-01", "1997-01-01"),
                 "part.p_type": {"is": "ECONOMY ANODIZED STEEL"}},
    ),
    9: ask(
        "Lines", "supplier_nation.n_name", "orders.o_orderdate[year]", "lineitem.profit",
        filters={"part.p_name": {"contains": "green"}},
        sorts=[{"field": "supplier_nation.n_name"}, desc("orders.o_orderdate[year]")],
    ),
    10: ask(
        "Lines", "customer.c_custkey", "customer.c_name", "customer.c_acctbal", "nation.n_name", "customer.c_address",
        "customer.c_phone", "customer.c_comment", "lineitem.revenue", limit=20, sorts=[desc("lineitem.revenue")],
        filters={"orders.o_orderdate": between("1993-10-01", "1994-01-01"), "lineitem.l_returnflag": {"is": "R"}},
    ),
    11: ask(
        "Supply", "partsupp.ps_partkey", "partsupp.value", sorts=[desc("partsupp.value")],
        filters={"supplier_nation.n_name": {"is": "GERMANY"}, "partsupp.share": {"greater_than": 0.001}},
    ),
    12: ask(
        "Lines", "lineitem.l_shipmode", "lineitem.urgent", "lineitem.not_urgent", sorts=[{"field": "lineitem.l_shipmode"}],
        filters={"lineitem.l_shipmode": {"is": ["MAIL", "SHIP"]}, "lineitem.is_late": {"is": True},
                 "lineitem.is_shipped_early": {"is": True}, "lineitem.l_receiptdate": between("1994-01-01", "1995-01-01")},
    ),
    13: ask(
        "Counts", "order_counts.c_count", "order_counts.custdist",
        sorts=[desc("order_counts.custdist"), desc("order_counts.c_count")],
    ),
    14: ask("Lines", "lineitem.promoted_percent", filters={"lineitem.l_shipdate": between("1995-09-01", "1995-10-01")}),
    16: ask(
        "Supply", "part.p_brand", "part.p_type", "part.p_size", "partsupp.suppliers",
        filters={"part.p_brand": {"not": "Brand#45"}, "part.p_type": {"not_starts_with": "MEDIUM POLISHED"},
                 "part.p_size": {"is": [49, 14, 23, 45, 19, 3, 36, 9]},
                 "supplier.s_comment": {"not_sql_like": "%Customer%Complaints%"}},
        sorts=[desc("partsupp.suppliers"), {"field": "part.p_brand"}, {"field": "part.p_type"}, {"field": "part.p_size"}],
    ),
    17: ask(
        "Lines", "lineitem.yearly_price",
        filters={"part.p_brand": {"is": "Brand#23"}, "part.p_container": {"is": "MED BOX"}, "lineitem.is_small": {"is": True}},
    ),
    18: ask(
        "Lines", "customer.c_name", "customer.c_custkey", "orders.o_orderkey", "orders.o_orderdate", "orders.o_totalprice",
        "lineitem.quantity", limit=100, filters={"lineitem.quantity": {"greater_than": 300}},
        sorts=[desc("orders.o_totalprice"), {"field": "orders.o_orderdate"}],
    ),
    19: ask(
        "Lines", "lineitem.revenue",
        filters={"lineitem.l_shipmode": {"is": ["AIR", "AIR REG"]}, "lineitem.l_shipinstruct": {"is": "DELIVER IN PERSON"},
                 "or": [{"part.p_brand": {"is": brand}, "part.p_container": {"is": [f"{size} {kind}" for kind in kinds]},
                         "lineitem.l_quantity": {"between": [least, least + 10]}, "part.p_size": {"between": [1, most]}}
                        for brand, size, kinds, least, most in BRANDS]},
    ),
}  # fmt: skip
JOINED = """lineitem JOIN orders ON l_orderkey = o_orderkey JOIN customer ON o_custkey = c_custkey
  JOIN nation n ON c_nationkey = n.n_nationkey JOIN region r ON n.n_regionkey = r.r_regionkey
  JOIN part ON l_partkey = p_partkey JOIN supplier ON l_suppkey = s_suppkey JOIN nation sn ON s_nationkey = sn.n_nationkey
  JOIN partsupp ON ps_partkey = l_partkey AND ps_suppkey = l_suppkey"""
OFFICIAL: dict[int, str] = {
    1: f"""SELECT l_returnflag, l_linestatus, SUM(l_quantity), SUM(l_extendedprice), SUM({PRICE}), SUM({PRICE} * (1 + l_tax)),
        AVG(l_quantity), AVG(l_extendedprice), AVG(l_discount), COUNT(*) FROM lineitem
        WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY GROUP BY 1, 2""",
    2: """SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
        FROM part, supplier, partsupp, nation, region
        WHERE p_partkey = ps_partkey AND s_suppkey = ps_suppkey AND p_size = 15 AND p_type LIKE '%BRASS'
        AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'EUROPE' AND ps_supplycost = (
          SELECT MIN(ps_supplycost) FROM partsupp, supplier, nation, region WHERE p_partkey = ps_partkey
          AND s_suppkey = ps_suppkey AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'EUROPE')
        ORDER BY s_acctbal DESC, n_name, s_name, p_partkey LIMIT 100""",
    3: f"""SELECT l_orderkey, o_orderdate, o_shippriority, SUM({PRICE}) FROM customer, orders, lineitem
        WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
        AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 2 LIMIT 10""",
    4: """SELECT o_orderpriority, COUNT(*) FROM orders WHERE o_orderdate >= DATE '1993-07-01'
        AND o_orderdate < DATE '1993-10-01' AND EXISTS (SELECT * FROM lineitem WHERE l_orderkey = o_orderkey
        AND l_commitdate < l_receiptdate) GROUP BY 1""",
    5: f"""SELECT n_name, SUM({PRICE}) FROM customer, orders, lineitem, supplier, nation, region
        WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey AND c_nationkey = s_nationkey
        AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'ASIA'
        AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01' GROUP BY 1""",
    6: """SELECT SUM(l_extendedprice * l_discount) FROM lineitem WHERE l_shipdate >= DATE '1994-01-01'
        AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
    7: f"""SELECT sn.n_name, n.n_name, DATE_TRUNC('year', l_shipdate)::DATE, SUM({PRICE}) FROM {JOINED}
        WHERE ((sn.n_name = 'FRANCE' AND n.n_name = 'GERMANY') OR (sn.n_name = 'GERMANY' AND n.n_name = 'FRANCE'))
        AND l_shipdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31' GROUP BY 1, 2, 3""",
    8: f"""SELECT DATE_TRUNC('year', o_orderdate)::DATE, SUM(CASE WHEN sn.n_name = 'BRAZIL' THEN {PRICE} ELSE 0 END) / SUM({PRICE})
        FROM {JOINED} WHERE r.r_name = 'AMERICA' AND o_orderdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
        AND p_type = 'ECONOMY ANODIZED STEEL' GROUP BY 1""",
    9: f"""SELECT sn.n_name, DATE_TRUNC('year', o_orderdate)::DATE, SUM({PRICE} - ps_supplycost * l_quantity)
        FROM {JOINED} WHERE p_name LIKE '%green%' GROUP BY 1, 2""",
    10: f"""SELECT c_custkey, c_name, c_acctbal, n_name, c_address, c_phone, c_comment, SUM({PRICE})
        FROM customer, orders, lineitem, nation WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey
        AND o_orderdate >= DATE '1993-10-01' AND o_orderdate < DATE '1994-01-01' AND l_returnflag = 'R'
        AND c_nationkey = n_nationkey GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 8 DESC LIMIT 20""",
    11: """SELECT ps_partkey, SUM(ps_supplycost * ps_availqty) FROM partsupp, supplier, nation WHERE ps_suppkey = s_suppkey
        AND s_nationkey = n_nationkey AND n_name = 'GERMANY' GROUP BY 1 HAVING SUM(ps_supplycost * ps_availqty) > (
          SELECT SUM(ps_supplycost * ps_availqty) * 0.001 FROM partsupp, supplier, nation WHERE ps_suppkey = s_suppkey
          AND s_nationkey = n_nationkey AND n_name = 'GERMANY')""",
    12: """SELECT l_shipmode, SUM(CASE WHEN o_orderpriority IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END),
        SUM(CASE WHEN o_orderpriority NOT IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) FROM orders, lineitem
        WHERE o_orderkey = l_orderkey AND l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
        AND l_shipdate < l_commitdate AND l_receiptdate >= DATE '1994-01-01' AND l_receiptdate < DATE '1995-01-01' GROUP BY 1""",
    13: """SELECT c_count, COUNT(*) FROM (SELECT c_custkey, COUNT(o_orderkey) AS c_count FROM customer LEFT OUTER JOIN orders
        ON c_custkey = o_custkey AND o_comment NOT LIKE '%special%requests%' GROUP BY c_custkey) AS c_orders GROUP BY 1""",
    14: f"""SELECT 100.00 * SUM(CASE WHEN p_type LIKE 'PROMO%' THEN {PRICE} ELSE 0 END) / SUM({PRICE}) FROM lineitem, part
        WHERE l_partkey = p_partkey AND l_shipdate >= DATE '1995-09-01' AND l_shipdate < DATE '1995-10-01'""",
    16: """SELECT p_brand, p_type, p_size, COUNT(DISTINCT ps_suppkey) FROM partsupp, part WHERE p_partkey = ps_partkey
        AND p_brand <> 'Brand#45' AND p_type NOT LIKE 'MEDIUM POLISHED%' AND p_size IN (49, 14, 23, 45, 19, 3, 36, 9)
        AND ps_suppkey NOT IN (SELECT s_suppkey FROM supplier WHERE s_comment LIKE '%Customer%Complaints%') GROUP BY 1, 2, 3""",
    17: """SELECT SUM(l_extendedprice) / 7.0 FROM lineitem, part WHERE p_partkey = l_partkey AND p_brand = 'Brand#23'
        AND p_container = 'MED BOX' AND l_quantity < (SELECT 0.2 * AVG(l_quantity) FROM lineitem WHERE l_partkey = p_partkey)""",
    18: """SELECT c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, SUM(l_quantity) FROM customer, orders, lineitem
        WHERE o_orderkey IN (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING SUM(l_quantity) > 300)
        AND c_custkey = o_custkey AND o_orderkey = l_orderkey GROUP BY 1, 2, 3, 4, 5 ORDER BY 5 DESC, 4 LIMIT 100""",
    19: f"""SELECT SUM({PRICE}) FROM lineitem, part WHERE p_partkey = l_partkey AND l_shipmode IN ('AIR', 'AIR REG')
        AND l_shipinstruct = 'DELIVER IN PERSON' AND (
        (p_brand = 'Brand#12' AND p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG') AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5)
        OR (p_brand = 'Brand#23' AND p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK') AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10)
        OR (p_brand = 'Brand#34' AND p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG') AND l_quantity BETWEEN 20 AND 30 AND p_size BETWEEN 1 AND 15))""",
}
