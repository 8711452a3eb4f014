-- $1 from, $2 to (exclusive), $3 services; null: all.
select service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out
from usage_hourly
where hour >= $1 and hour < $2 and ($3::uuid[] is null or service_id = any($3))
