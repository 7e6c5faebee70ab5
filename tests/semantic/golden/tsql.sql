-- rows of a person
SELECT
TOP 1001
  [customers].[region] AS [customers.region],
  SUM(CAST([orders].[amount] AS INTEGER)) AS [orders.revenue],
  COUNT(*) AS [orders.count]
FROM (
  SELECT
    [amount] AS [amount],
    [status] AS [status],
    [customer_id] AS [customer_id]
  FROM [omni_store].[orders]
) AS [orders]
LEFT JOIN (
  SELECT
    [region] AS [region],
    [id] AS [id]
  FROM [omni_store].[customers]
  WHERE
    [region] IN (?)
) AS [customers]
  ON [orders].[customer_id] = [customers].[id]
WHERE
  [orders].[status] IN (?, ?)
GROUP BY
  [customers].[region]
ORDER BY
  [orders.revenue] DESC,
  CASE WHEN [customers].[region] IS NULL THEN 1 ELSE 0 END,
  [customers].[region] ASC;

-- time
SELECT
TOP 1001
  CAST(DATETRUNC(
    WEEK,
    [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
  ) AS DATE) AS [orders.ordered_at[week]]],
  CASE CAST(DATEPART(
      MONTH,
      [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
    ) AS INTEGER)
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
  END AS [orders.ordered_at[month_name]]],
  SUM(CAST([orders].[amount] AS INTEGER)) AS [orders.revenue]
FROM (
  SELECT
    [ordered_at] AS [ordered_at],
    [amount] AS [amount]
  FROM [omni_store].[orders]
) AS [orders]
WHERE
  (
    [orders].[ordered_at] >= CAST(? AS DATETIME2)
    AND [orders].[ordered_at] < CAST(? AS DATETIME2)
  )
GROUP BY
  CAST(DATETRUNC(
    WEEK,
    [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
  ) AS DATE),
  CASE CAST(DATEPART(
      MONTH,
      [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
    ) AS INTEGER)
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
  END
ORDER BY
  CASE
    WHEN CAST(DATETRUNC(
      WEEK,
      [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
    ) AS DATE) IS NULL
    THEN 1
    ELSE 0
  END,
  CAST(DATETRUNC(
    WEEK,
    [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
  ) AS DATE) ASC,
  CASE
    WHEN MIN(
      CAST(DATEPART(
        MONTH,
        [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
      ) AS INTEGER)
    ) IS NULL
    THEN 1
    ELSE 0
  END,
  MIN(
    CAST(DATEPART(
      MONTH,
      [orders].[ordered_at] AT TIME ZONE 'UTC' AT TIME ZONE CAST(? AS VARCHAR(MAX))
    ) AS INTEGER)
  ) ASC;

-- repeated rows
SELECT
TOP 1001
  [joined rows].[d1] AS [items.sku],
  SUM(CASE WHEN [joined rows].[c3] = 1 THEN [joined rows].[c2] END) AS [orders.revenue],
  SUM([joined rows].[c4]) AS [items.sold]
FROM (
  SELECT
    [items].[sku] AS [d1],
    CAST([orders].[amount] AS INTEGER) AS [c2],
    ROW_NUMBER() OVER (PARTITION BY [items].[sku], [orders].[id] ORDER BY [orders].[id]) AS [c3],
    CAST([items].[price] AS INTEGER) AS [c4]
  FROM (
    SELECT
      [amount] AS [amount],
      [id] AS [id]
    FROM [omni_store].[orders]
  ) AS [orders]
  LEFT JOIN (
    SELECT
      [sku] AS [sku],
      [price] AS [price],
      [order_id] AS [order_id]
    FROM [omni_store].[items]
  ) AS [items]
    ON [orders].[id] = [items].[order_id]
) AS [joined rows]
GROUP BY
  [joined rows].[d1]
ORDER BY
  [orders.revenue] DESC,
  CASE WHEN [joined rows].[d1] IS NULL THEN 1 ELSE 0 END,
  [joined rows].[d1] ASC;

-- a level of detail
SELECT
TOP 1001
  [joined rows].[d1] AS [customers.region],
  AVG(CASE WHEN [joined rows].[c3] = 1 THEN [joined rows].[c2] END) AS [orders.per_customer]
FROM (
  SELECT
    [customers].[region] AS [d1],
    [detail orders.per_customer].[value] AS [c2],
    ROW_NUMBER() OVER (PARTITION BY [customers].[region], [customers].[id] ORDER BY [customers].[id]) AS [c3]
  FROM (
    SELECT
      [customer_id] AS [customer_id]
    FROM [omni_store].[orders]
  ) AS [orders]
  LEFT JOIN (
    SELECT
      [region] AS [region],
      [id] AS [id]
    FROM [omni_store].[customers]
    WHERE
      [region] IN (?)
  ) AS [customers]
    ON [orders].[customer_id] = [customers].[id]
  LEFT JOIN (
    SELECT
      [customers].[id] AS [g1],
      SUM(CAST([orders].[amount] AS INTEGER)) AS [value]
    FROM (
      SELECT
        [amount] AS [amount],
        [customer_id] AS [customer_id]
      FROM [omni_store].[orders]
    ) AS [orders]
    LEFT JOIN (
      SELECT
        [id] AS [id]
      FROM [omni_store].[customers]
      WHERE
        [region] IN (?)
    ) AS [customers]
      ON [orders].[customer_id] = [customers].[id]
    GROUP BY
      [customers].[id]
  ) AS [detail orders.per_customer]
    ON [customers].[id] IS NOT DISTINCT FROM [detail orders.per_customer].[g1]
) AS [joined rows]
GROUP BY
  [joined rows].[d1]
ORDER BY
  [orders.per_customer] DESC,
  CASE WHEN [joined rows].[d1] IS NULL THEN 1 ELSE 0 END,
  [joined rows].[d1] ASC;

-- the top and the rest
SELECT
TOP 1001
  CASE
    WHEN [top customers.name].[kept] = 1
    AND CAST([customers].[name] AS VARCHAR(MAX)) = CAST(? AS VARCHAR(MAX))
    THEN CAST(? AS VARCHAR(MAX))
    WHEN [top customers.name].[kept] = 1
    AND SUBSTRING(CAST([customers].[name] AS VARCHAR(MAX)), 1, 13) = CAST(? AS VARCHAR(MAX))
    THEN CAST([customers].[name] AS VARCHAR(MAX)) + ' (value)'
    WHEN [top customers.name].[kept] = 1
    THEN CAST([customers].[name] AS VARCHAR(MAX))
    ELSE CAST(? AS VARCHAR(MAX))
  END AS [customers.name],
  SUM(CAST([orders].[amount] AS INTEGER)) AS [orders.revenue]
FROM (
  SELECT
    [amount] AS [amount],
    [customer_id] AS [customer_id]
  FROM [omni_store].[orders]
) AS [orders]
LEFT JOIN (
  SELECT
    [name] AS [name],
    [id] AS [id]
  FROM [omni_store].[customers]
  WHERE
    [region] IN (?)
) AS [customers]
  ON [orders].[customer_id] = [customers].[id]
LEFT JOIN (
  SELECT
  TOP 3
    [customers].[name] AS [value],
    SUM(CAST([orders].[amount] AS INTEGER)) AS [by],
    1 AS [kept]
  FROM (
    SELECT
      [amount] AS [amount],
      [customer_id] AS [customer_id]
    FROM [omni_store].[orders]
  ) AS [orders]
  LEFT JOIN (
    SELECT
      [name] AS [name],
      [id] AS [id]
    FROM [omni_store].[customers]
    WHERE
      [region] IN (?)
  ) AS [customers]
    ON [orders].[customer_id] = [customers].[id]
  GROUP BY
    [customers].[name]
  ORDER BY
    [by] DESC,
    CASE WHEN [customers].[name] IS NULL THEN 1 ELSE 0 END,
    [customers].[name] ASC
) AS [top customers.name]
  ON [customers].[name] IS NOT DISTINCT FROM [top customers.name].[value]
GROUP BY
  CASE
    WHEN [top customers.name].[kept] = 1
    AND CAST([customers].[name] AS VARCHAR(MAX)) = CAST(? AS VARCHAR(MAX))
    THEN CAST(? AS VARCHAR(MAX))
    WHEN [top customers.name].[kept] = 1
    AND SUBSTRING(CAST([customers].[name] AS VARCHAR(MAX)), 1, 13) = CAST(? AS VARCHAR(MAX))
    THEN CAST([customers].[name] AS VARCHAR(MAX)) + ' (value)'
    WHEN [top customers.name].[kept] = 1
    THEN CAST([customers].[name] AS VARCHAR(MAX))
    ELSE CAST(? AS VARCHAR(MAX))
  END
ORDER BY
  [orders.revenue] DESC,
  CASE
    WHEN CASE
      WHEN [top customers.name].[kept] = 1
      AND CAST([customers].[name] AS VARCHAR(MAX)) = CAST(? AS VARCHAR(MAX))
      THEN CAST(? AS VARCHAR(MAX))
      WHEN [top customers.name].[kept] = 1
      AND SUBSTRING(CAST([customers].[name] AS VARCHAR(MAX)), 1, 13) = CAST(? AS VARCHAR(MAX))
      THEN CAST([customers].[name] AS VARCHAR(MAX)) + ' (value)'
      WHEN [top customers.name].[kept] = 1
      THEN CAST([customers].[name] AS VARCHAR(MAX))
      ELSE CAST(? AS VARCHAR(MAX))
    END IS NULL
    THEN 1
    ELSE 0
  END,
  CASE
    WHEN [top customers.name].[kept] = 1
    AND CAST([customers].[name] AS VARCHAR(MAX)) = CAST(? AS VARCHAR(MAX))
    THEN CAST(? AS VARCHAR(MAX))
    WHEN [top customers.name].[kept] = 1
    AND SUBSTRING(CAST([customers].[name] AS VARCHAR(MAX)), 1, 13) = CAST(? AS VARCHAR(MAX))
    THEN CAST([customers].[name] AS VARCHAR(MAX)) + ' (value)'
    WHEN [top customers.name].[kept] = 1
    THEN CAST([customers].[name] AS VARCHAR(MAX))
    ELSE CAST(? AS VARCHAR(MAX))
  END ASC;

-- a year before
SELECT
TOP 1001
  [stitched parts].[d1] AS [orders.ordered_at[month]]],
  MAX([stitched parts].[m1]) AS [orders.revenue],
  MAX([stitched parts].[p1]) AS [orders.revenue[previous]]]
FROM (
  SELECT
    CAST(DATETRUNC(MONTH, [orders].[ordered_at]) AS DATE) AS [d1],
    SUM(CAST([orders].[amount] AS INTEGER)) AS [m1],
    NULL AS [p1],
    1 AS [is_current]
  FROM (
    SELECT
      [ordered_at] AS [ordered_at],
      [amount] AS [amount]
    FROM [omni_store].[orders]
  ) AS [orders]
  GROUP BY
    CAST(DATETRUNC(MONTH, [orders].[ordered_at]) AS DATE)
  UNION ALL
  SELECT
    CAST(DATETRUNC(MONTH, (
      [orders].[ordered_at] + INTERVAL '1' YEAR
    )) AS DATE) AS [d1],
    NULL AS [m1],
    SUM(CAST([orders].[amount] AS INTEGER)) AS [p1],
    NULL AS [is_current]
  FROM (
    SELECT
      [ordered_at] AS [ordered_at],
      [amount] AS [amount]
    FROM [omni_store].[orders]
  ) AS [orders]
  GROUP BY
    CAST(DATETRUNC(MONTH, (
      [orders].[ordered_at] + INTERVAL '1' YEAR
    )) AS DATE)
) AS [stitched parts]
GROUP BY
  [stitched parts].[d1]
HAVING
  MAX([stitched parts].[is_current]) = 1
ORDER BY
  CASE WHEN [stitched parts].[d1] IS NULL THEN 1 ELSE 0 END,
  [stitched parts].[d1] ASC;

-- topics side by side
SELECT
TOP 1001
  [stitched parts].[d1] AS [@_shared_dimensions_.region],
  MAX([stitched parts].[m1]) AS [@Sales.orders.revenue],
  MAX([stitched parts].[m2]) AS [@Tickets.tickets.count]
FROM (
  SELECT
    [customers].[region] AS [d1],
    SUM(CAST([orders].[amount] AS INTEGER)) AS [m1],
    NULL AS [m2]
  FROM (
    SELECT
      [amount] AS [amount],
      [customer_id] AS [customer_id]
    FROM [omni_store].[orders]
  ) AS [orders]
  LEFT JOIN (
    SELECT
      [region] AS [region],
      [id] AS [id]
    FROM [omni_store].[customers]
  ) AS [customers]
    ON [orders].[customer_id] = [customers].[id]
  GROUP BY
    [customers].[region]
  UNION ALL
  SELECT
    [customers].[region] AS [d1],
    NULL AS [m1],
    COUNT(*) AS [m2]
  FROM (
    SELECT
      [customer_id] AS [customer_id]
    FROM [omni_store].[tickets]
  ) AS [tickets]
  LEFT JOIN (
    SELECT
      [region] AS [region],
      [id] AS [id]
    FROM [omni_store].[customers]
  ) AS [customers]
    ON [tickets].[customer_id] = [customers].[id]
  GROUP BY
    [customers].[region]
) AS [stitched parts]
GROUP BY
  [stitched parts].[d1]
ORDER BY
  CASE WHEN [stitched parts].[d1] IS NULL THEN 1 ELSE 0 END,
  [stitched parts].[d1] ASC;

-- masked values
SELECT
TOP 1001
  [customers].[masked mail] AS [customers.mail],
  COUNT(*) AS [customers.count]
FROM (
  SELECT
    LEFT(
      LOWER(
        CONVERT(
          VARCHAR(64),
          HASHBYTES('SHA2_256', CAST(? AS VARCHAR(MAX)) + CAST([email] AS VARCHAR(MAX))),
          2
        )
      ),
      16
    ) AS [masked mail]
  FROM [omni_store].[customers]
  WHERE
    [region] IN (?)
) AS [customers]
GROUP BY
  [customers].[masked mail]
ORDER BY
  [customers.count] DESC,
  CASE WHEN [customers].[masked mail] IS NULL THEN 1 ELSE 0 END,
  [customers].[masked mail] ASC;

-- an SQL view
SELECT
TOP 1001
  [big_orders].[customer] AS [big_orders.customer],
  SUM(CAST([big_orders].[size] AS INTEGER)) AS [big_orders.total]
FROM (
  SELECT
    [customer] AS [customer],
    [size] AS [size]
  FROM (
    SELECT
      o.customer_id AS customer,
      o.amount AS size,
      c.email AS mail
    FROM (
      SELECT
        [id] AS [id],
        [customer_id] AS [customer_id],
        [amount] AS [amount]
      FROM [omni_store].[orders]
    ) AS [o]
    JOIN (
      SELECT
        [id] AS [id],
        LEFT(
          LOWER(
            CONVERT(
              VARCHAR(64),
              HASHBYTES('SHA2_256', CAST(? AS VARCHAR(MAX)) + CAST([email] AS VARCHAR(MAX))),
              2
            )
          ),
          16
        ) AS [email]
      FROM [omni_store].[customers]
      WHERE
        [region] IN (?)
    ) AS [c]
      ON c.id = o.customer_id
    WHERE
      o.amount >= 50
  ) AS [view query]
) AS [big_orders]
GROUP BY
  [big_orders].[customer]
ORDER BY
  [big_orders.total] DESC,
  CASE WHEN [big_orders].[customer] IS NULL THEN 1 ELSE 0 END,
  [big_orders].[customer] ASC;
