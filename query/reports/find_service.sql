select id from service where name = $1 or id::text = lower($1)
