-- The first hour with usage, and the hour that no meter has passed yet or has windows to emit of.
select (select min(hour) from usage_hourly),
    (select date_trunc('hour', min(least(watermark, unemitted_from)), 'UTC') from meter where isfinite(watermark))
