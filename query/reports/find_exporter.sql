select id from exporter where name = $1 or id::text = lower($1)
