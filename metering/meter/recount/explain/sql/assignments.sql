-- $1 service, $2 hour. Beginnings and ends fit into nanoseconds since 1970.
select prefix, greatest(lower(valid), '1970-01-01Z'), case when upper(valid) < '2262-01-01Z' then upper(valid) end from assignment
where service_id = $1 and valid && tstzrange($2::timestamptz, $2::timestamptz + interval '1 hour')
