-- $1 from, $2 to (exclusive), $3 services; null: all.
select service_id, exporter_id, hour, kind = 'quarantine_release', applied_at is null,
    sum(bytes_in_l2)::bigint, sum(bytes_out_l2)::bigint, sum(bytes_in_l3)::bigint, sum(bytes_out_l3)::bigint,
    sum(packets_in)::bigint, sum(packets_out)::bigint, sum(samples_in)::bigint, sum(samples_out)::bigint
from usage_correction
where hour >= $1 and hour < $2 and ($3::uuid[] is null or service_id = any($3))
group by 1, 2, 3, 4, 5
