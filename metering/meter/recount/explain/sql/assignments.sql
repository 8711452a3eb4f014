-- $1 service, $2 hour.
select prefix, lower(valid), upper(valid) from assignment
where service_id = $1 and valid && tstzrange($2::timestamptz, $2::timestamptz + interval '1 hour')
