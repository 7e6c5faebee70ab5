-- rows of a person
SELECT
  "customers"."region" AS "customers.region",
  SUM(CAST("orders"."amount" AS INTEGER)) AS "orders.revenue",
  COUNT(*) AS "orders.count"
FROM (
  SELECT
    "amount",
    "status",
    "customer_id"
  FROM "omni_store"."orders"
) AS "orders"
LEFT JOIN (
  SELECT
    "region",
    "id"
  FROM "omni_store"."customers"
  WHERE
    "region" IN (?)
) AS "customers"
  ON "orders"."customer_id" = "customers"."id"
WHERE
  "orders"."status" IN (?, ?)
GROUP BY
  1
ORDER BY
  2 DESC NULLS LAST,
  1 ASC
LIMIT 1001;

-- time
SELECT
  CAST(DATE_TRUNC(
    'WEEK',
    CAST("orders"."ordered_at" AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
  ) AS DATE) AS "orders.ordered_at[week]",
  CASE CAST(EXTRACT(MONTH FROM CAST("orders"."ordered_at" AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))) AS INTEGER)
    WHEN 1
    THEN 'January'
    WHEN 2
    THEN 'February'
    WHEN 3
    THEN 'March'
    WHEN 4
    THEN 'April'
    WHEN 5
    THEN 'May'
    WHEN 6
    THEN 'June'
    WHEN 7
    THEN 'July'
    WHEN 8
    THEN 'August'
    WHEN 9
    THEN 'September'
    WHEN 10
    THEN 'October'
    WHEN 11
    THEN 'November'
    WHEN 12
    THEN 'December'
  END AS "orders.ordered_at[month_name]",
  SUM(CAST("orders"."amount" AS INTEGER)) AS "orders.revenue"
FROM (
  SELECT
    "ordered_at",
    "amount"
  FROM "omni_store"."orders"
) AS "orders"
WHERE
  (
    "orders"."ordered_at" >= CAST(? AS TIMESTAMP)
    AND "orders"."ordered_at" < CAST(? AS TIMESTAMP)
  )
GROUP BY
  1,
  2
ORDER BY
  1 ASC,
  MIN(
    CAST(EXTRACT(MONTH FROM CAST("orders"."ordered_at" AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))) AS INTEGER)
  ) ASC
LIMIT 1001;

-- repeated rows
SELECT
  "joined rows"."d1" AS "items.sku",
  SUM(CASE WHEN "joined rows"."c3" = 1 THEN "joined rows"."c2" END) AS "orders.revenue",
  SUM("joined rows"."c4") AS "items.sold"
FROM (
  SELECT
    "items"."sku" AS "d1",
    CAST("orders"."amount" AS INTEGER) AS "c2",
    ROW_NUMBER() OVER (PARTITION BY "items"."sku", "orders"."id" ORDER BY "orders"."id") AS "c3",
    CAST("items"."price" AS INTEGER) AS "c4"
  FROM (
    SELECT
      "amount",
      "id"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "sku",
      "price",
      "order_id"
    FROM "omni_store"."items"
  ) AS "items"
    ON "orders"."id" = "items"."order_id"
) AS "joined rows"
GROUP BY
  1
ORDER BY
  2 DESC NULLS LAST,
  1 ASC
LIMIT 1001;

-- a level of detail
SELECT
  "joined rows"."d1" AS "customers.region",
  AVG(CASE WHEN "joined rows"."c3" = 1 THEN "joined rows"."c2" END) AS "orders.per_customer"
FROM (
  SELECT
    "customers"."region" AS "d1",
    "detail orders.per_customer"."value" AS "c2",
    ROW_NUMBER() OVER (PARTITION BY "customers"."region", "customers"."id" ORDER BY "customers"."id") AS "c3"
  FROM (
    SELECT
      "customer_id"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "region",
      "id"
    FROM "omni_store"."customers"
    WHERE
      "region" IN (?)
  ) AS "customers"
    ON "orders"."customer_id" = "customers"."id"
  LEFT JOIN (
    SELECT
      "customers"."id" AS "g1",
      SUM(CAST("orders"."amount" AS INTEGER)) AS "value"
    FROM (
      SELECT
        "amount",
        "customer_id"
      FROM "omni_store"."orders"
    ) AS "orders"
    LEFT JOIN (
      SELECT
        "id"
      FROM "omni_store"."customers"
      WHERE
        "region" IN (?)
    ) AS "customers"
      ON "orders"."customer_id" = "customers"."id"
    GROUP BY
      1
  ) AS "detail orders.per_customer"
    ON "customers"."id" IS NOT DISTINCT FROM "detail orders.per_customer"."g1"
) AS "joined rows"
GROUP BY
  1
ORDER BY
  2 DESC NULLS LAST,
  1 ASC
LIMIT 1001;

-- the top and the rest
SELECT
  CASE
    WHEN "top customers.name"."kept" = 1
    AND CAST("customers"."name" AS VARCHAR(MAX)) = CAST(? AS VARCHAR(MAX))
    THEN CAST(? AS VARCHAR(MAX))
    WHEN "top customers.name"."kept" = 1
    AND SUBSTRING(CAST("customers"."name" AS VARCHAR(MAX)) FROM 1 FOR 13) = CAST(? AS VARCHAR(MAX))
    THEN CAST("customers"."name" AS VARCHAR(MAX)) || ' (value)'
    WHEN "top customers.name"."kept" = 1
    THEN CAST("customers"."name" AS VARCHAR(MAX))
    ELSE CAST(? AS VARCHAR(MAX))
  END AS "customers.name",
  SUM(CAST("orders"."amount" AS INTEGER)) AS "orders.revenue"
FROM (
  SELECT
    "amount",
    "customer_id"
  FROM "omni_store"."orders"
) AS "orders"
LEFT JOIN (
  SELECT
    "name",
    "id"
  FROM "omni_store"."customers"
  WHERE
    "region" IN (?)
) AS "customers"
  ON "orders"."customer_id" = "customers"."id"
LEFT JOIN (
  SELECT
    "customers"."name" AS "value",
    SUM(CAST("orders"."amount" AS INTEGER)) AS "by",
    1 AS "kept"
  FROM (
    SELECT
      "amount",
      "customer_id"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "name",
      "id"
    FROM "omni_store"."customers"
    WHERE
      "region" IN (?)
  ) AS "customers"
    ON "orders"."customer_id" = "customers"."id"
  GROUP BY
    1
  ORDER BY
    2 DESC NULLS LAST,
    1 ASC
  LIMIT 3
) AS "top customers.name"
  ON "customers"."name" IS NOT DISTINCT FROM "top customers.name"."value"
GROUP BY
  1
ORDER BY
  2 DESC NULLS LAST,
  1 ASC
LIMIT 1001;

-- a year before
SELECT
  "stitched parts"."d1" AS "orders.ordered_at[month]",
  MAX("stitched parts"."m1") AS "orders.revenue",
  MAX("stitched parts"."p1") AS "orders.revenue[previous]"
FROM (
  SELECT
    CAST(DATE_TRUNC('MONTH', "orders"."ordered_at") AS DATE) AS "d1",
    SUM(CAST("orders"."amount" AS INTEGER)) AS "m1",
    NULL AS "p1",
    1 AS "is_current"
  FROM (
    SELECT
      "ordered_at",
      "amount"
    FROM "omni_store"."orders"
  ) AS "orders"
  GROUP BY
    1
  UNION ALL
  SELECT
    CAST(DATE_TRUNC('MONTH', (
      "orders"."ordered_at" + INTERVAL '1 YEAR'
    )) AS DATE) AS "d1",
    NULL AS "m1",
    SUM(CAST("orders"."amount" AS INTEGER)) AS "p1",
    NULL AS "is_current"
  FROM (
    SELECT
      "ordered_at",
      "amount"
    FROM "omni_store"."orders"
  ) AS "orders"
  GROUP BY
    1
) AS "stitched parts"
GROUP BY
  1
HAVING
  MAX("stitched parts"."is_current") = 1
ORDER BY
  1 ASC
LIMIT 1001;

-- topics side by side
SELECT
  "stitched parts"."d1" AS "@_shared_dimensions_.region",
  MAX("stitched parts"."m1") AS "@Sales.orders.revenue",
  MAX("stitched parts"."m2") AS "@Tickets.tickets.count"
FROM (
  SELECT
    "customers"."region" AS "d1",
    SUM(CAST("orders"."amount" AS INTEGER)) AS "m1",
    NULL AS "m2"
  FROM (
    SELECT
      "amount",
      "customer_id"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "region",
      "id"
    FROM "omni_store"."customers"
  ) AS "customers"
    ON "orders"."customer_id" = "customers"."id"
  GROUP BY
    1
  UNION ALL
  SELECT
    "customers"."region" AS "d1",
    NULL AS "m1",
    COUNT(*) AS "m2"
  FROM (
    SELECT
      "customer_id"
    FROM "omni_store"."tickets"
  ) AS "tickets"
  LEFT JOIN (
    SELECT
      "region",
      "id"
    FROM "omni_store"."customers"
  ) AS "customers"
    ON "tickets"."customer_id" = "customers"."id"
  GROUP BY
    1
) AS "stitched parts"
GROUP BY
  1
ORDER BY
  1 ASC
LIMIT 1001;

-- masked values
SELECT
  "customers"."masked mail" AS "customers.mail",
  COUNT(*) AS "customers.count"
FROM (
  SELECT
    LEFT(SHA2(CAST(? AS VARCHAR(MAX)) || CAST("email" AS VARCHAR(MAX)), 256), 16) AS "masked mail"
  FROM "omni_store"."customers"
  WHERE
    "region" IN (?)
) AS "customers"
GROUP BY
  1
ORDER BY
  2 DESC NULLS LAST,
  1 ASC
LIMIT 1001;

-- an SQL view
SELECT
  "big_orders"."customer" AS "big_orders.customer",
  SUM(CAST("big_orders"."size" AS INTEGER)) AS "big_orders.total"
FROM (
  SELECT
    "customer",
    "size"
  FROM (
    SELECT
      o.customer_id AS customer,
      o.amount AS size,
      c.email AS mail
    FROM (
      SELECT
        "id",
        "customer_id",
        "amount"
      FROM "omni_store"."orders"
    ) AS "o"
    JOIN (
      SELECT
        "id",
        LEFT(SHA2(CAST(? AS VARCHAR(MAX)) || CAST("email" AS VARCHAR(MAX)), 256), 16) AS "email"
      FROM "omni_store"."customers"
      WHERE
        "region" IN (?)
    ) AS "c"
      ON c.id = o.customer_id
    WHERE
      o.amount >= 50
  ) AS "view query"
) AS "big_orders"
GROUP BY
  1
ORDER BY
  2 DESC NULLS LAST,
  1 ASC
LIMIT 1001;
