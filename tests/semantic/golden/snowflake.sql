-- rows of a person
SELECT
  "customers"."REGION" AS "customers.region",
  SUM(CAST("orders"."AMOUNT" AS INT)) AS "orders.revenue",
  COUNT(*) AS "orders.count"
FROM (
  SELECT
    "AMOUNT",
    "STATUS",
    "CUSTOMER_ID"
  FROM "omni_store"."orders"
) AS "orders"
LEFT JOIN (
  SELECT
    "REGION",
    "ID"
  FROM "omni_store"."customers"
  WHERE
    "REGION" IN (?)
) AS "customers"
  ON "orders"."CUSTOMER_ID" = "customers"."ID"
WHERE
  "orders"."STATUS" IN (?, ?)
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
    CONVERT_TIMEZONE('UTC', CAST(? AS VARCHAR), "orders"."ORDERED_AT")
  ) AS DATE) AS "orders.ordered_at[week]",
  CASE CAST(DATE_PART(MONTH, CONVERT_TIMEZONE('UTC', CAST(? AS VARCHAR), "orders"."ORDERED_AT")) AS INT)
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
  SUM(CAST("orders"."AMOUNT" AS INT)) AS "orders.revenue"
FROM (
  SELECT
    "ORDERED_AT",
    "AMOUNT"
  FROM "omni_store"."orders"
) AS "orders"
WHERE
  (
    "orders"."ORDERED_AT" >= CAST(? AS TIMESTAMP)
    AND "orders"."ORDERED_AT" < CAST(? AS TIMESTAMP)
  )
GROUP BY
  1,
  2
ORDER BY
  1 ASC,
  MIN(
    CAST(DATE_PART(MONTH, CONVERT_TIMEZONE('UTC', CAST(? AS VARCHAR), "orders"."ORDERED_AT")) AS INT)
  ) ASC
LIMIT 1001;

-- repeated rows
SELECT
  "joined rows"."d1" AS "items.sku",
  SUM(CASE WHEN "joined rows"."c3" = 1 THEN "joined rows"."c2" END) AS "orders.revenue",
  SUM("joined rows"."c4") AS "items.sold"
FROM (
  SELECT
    "items"."SKU" AS "d1",
    CAST("orders"."AMOUNT" AS INT) AS "c2",
    ROW_NUMBER() OVER (PARTITION BY "items"."SKU", "orders"."ID" ORDER BY "orders"."ID") AS "c3",
    CAST("items"."PRICE" AS INT) AS "c4"
  FROM (
    SELECT
      "AMOUNT",
      "ID"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "SKU",
      "PRICE",
      "ORDER_ID"
    FROM "omni_store"."items"
  ) AS "items"
    ON "orders"."ID" = "items"."ORDER_ID"
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
    "customers"."REGION" AS "d1",
    "detail orders.per_customer"."value" AS "c2",
    ROW_NUMBER() OVER (PARTITION BY "customers"."REGION", "customers"."ID" ORDER BY "customers"."ID") AS "c3"
  FROM (
    SELECT
      "CUSTOMER_ID"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "REGION",
      "ID"
    FROM "omni_store"."customers"
    WHERE
      "REGION" IN (?)
  ) AS "customers"
    ON "orders"."CUSTOMER_ID" = "customers"."ID"
  LEFT JOIN (
    SELECT
      "customers"."ID" AS "g1",
      SUM(CAST("orders"."AMOUNT" AS INT)) AS "value"
    FROM (
      SELECT
        "AMOUNT",
        "CUSTOMER_ID"
      FROM "omni_store"."orders"
    ) AS "orders"
    LEFT JOIN (
      SELECT
        "ID"
      FROM "omni_store"."customers"
      WHERE
        "REGION" IN (?)
    ) AS "customers"
      ON "orders"."CUSTOMER_ID" = "customers"."ID"
    GROUP BY
      1
  ) AS "detail orders.per_customer"
    ON "customers"."ID" IS NOT DISTINCT FROM "detail orders.per_customer"."g1"
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
    AND CAST("customers"."NAME" AS VARCHAR) = CAST(? AS VARCHAR)
    THEN CAST(? AS VARCHAR)
    WHEN "top customers.name"."kept" = 1
    AND SUBSTRING(CAST("customers"."NAME" AS VARCHAR), 1, 13) = CAST(? AS VARCHAR)
    THEN CAST("customers"."NAME" AS VARCHAR) || ' (value)'
    WHEN "top customers.name"."kept" = 1
    THEN CAST("customers"."NAME" AS VARCHAR)
    ELSE CAST(? AS VARCHAR)
  END AS "customers.name",
  SUM(CAST("orders"."AMOUNT" AS INT)) AS "orders.revenue"
FROM (
  SELECT
    "AMOUNT",
    "CUSTOMER_ID"
  FROM "omni_store"."orders"
) AS "orders"
LEFT JOIN (
  SELECT
    "NAME",
    "ID"
  FROM "omni_store"."customers"
  WHERE
    "REGION" IN (?)
) AS "customers"
  ON "orders"."CUSTOMER_ID" = "customers"."ID"
LEFT JOIN (
  SELECT
    "customers"."NAME" AS "value",
    SUM(CAST("orders"."AMOUNT" AS INT)) AS "by",
    1 AS "kept"
  FROM (
    SELECT
      "AMOUNT",
      "CUSTOMER_ID"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "NAME",
      "ID"
    FROM "omni_store"."customers"
    WHERE
      "REGION" IN (?)
  ) AS "customers"
    ON "orders"."CUSTOMER_ID" = "customers"."ID"
  GROUP BY
    1
  ORDER BY
    2 DESC NULLS LAST,
    1 ASC
  LIMIT 3
) AS "top customers.name"
  ON "customers"."NAME" IS NOT DISTINCT FROM "top customers.name"."value"
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
    CAST(DATE_TRUNC('MONTH', "orders"."ORDERED_AT") AS DATE) AS "d1",
    SUM(CAST("orders"."AMOUNT" AS INT)) AS "m1",
    NULL AS "p1",
    1 AS "is_current"
  FROM (
    SELECT
      "ORDERED_AT",
      "AMOUNT"
    FROM "omni_store"."orders"
  ) AS "orders"
  GROUP BY
    1
  UNION ALL
  SELECT
    CAST(DATE_TRUNC('MONTH', (
      "orders"."ORDERED_AT" + INTERVAL '1 YEAR'
    )) AS DATE) AS "d1",
    NULL AS "m1",
    SUM(CAST("orders"."AMOUNT" AS INT)) AS "p1",
    NULL AS "is_current"
  FROM (
    SELECT
      "ORDERED_AT",
      "AMOUNT"
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
    "customers"."REGION" AS "d1",
    SUM(CAST("orders"."AMOUNT" AS INT)) AS "m1",
    NULL AS "m2"
  FROM (
    SELECT
      "AMOUNT",
      "CUSTOMER_ID"
    FROM "omni_store"."orders"
  ) AS "orders"
  LEFT JOIN (
    SELECT
      "REGION",
      "ID"
    FROM "omni_store"."customers"
  ) AS "customers"
    ON "orders"."CUSTOMER_ID" = "customers"."ID"
  GROUP BY
    1
  UNION ALL
  SELECT
    "customers"."REGION" AS "d1",
    NULL AS "m1",
    COUNT(*) AS "m2"
  FROM (
    SELECT
      "CUSTOMER_ID"
    FROM "omni_store"."tickets"
  ) AS "tickets"
  LEFT JOIN (
    SELECT
      "REGION",
      "ID"
    FROM "omni_store"."customers"
  ) AS "customers"
    ON "tickets"."CUSTOMER_ID" = "customers"."ID"
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
    LEFT(SHA2(CAST(? AS VARCHAR) || CAST("EMAIL" AS VARCHAR), 256), 16) AS "masked mail"
  FROM "omni_store"."customers"
  WHERE
    "REGION" IN (?)
) AS "customers"
GROUP BY
  1
ORDER BY
  2 DESC NULLS LAST,
  1 ASC
LIMIT 1001;

-- an SQL view
SELECT
  "big_orders"."CUSTOMER" AS "big_orders.customer",
  SUM(CAST("big_orders"."SIZE" AS INT)) AS "big_orders.total"
FROM (
  SELECT
    "CUSTOMER",
    "SIZE"
  FROM (
    SELECT
      o.customer_id AS customer,
      o.amount AS size,
      c.email AS mail
    FROM (
      SELECT
        "ID",
        "CUSTOMER_ID",
        "AMOUNT"
      FROM "omni_store"."orders"
    ) AS "O"
    JOIN (
      SELECT
        "ID",
        LEFT(SHA2(CAST(? AS VARCHAR) || CAST("EMAIL" AS VARCHAR), 256), 16) AS "EMAIL"
      FROM "omni_store"."customers"
      WHERE
        "REGION" IN (?)
    ) AS "C"
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
