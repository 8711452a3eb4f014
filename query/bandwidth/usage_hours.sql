select (floor(extract(epoch from hour) / $2::bigint) * $2)::bigint as at,
       sum(bytes_in_l2)::bigint as bytes_in_l2, sum(bytes_out_l2)::bigint as bytes_out_l2,
       sum(bytes_in_l3)::bigint as bytes_in_l3, sum(bytes_out_l3)::bigint as bytes_out_l3
from usage_hourly
where service_id = $1 and hour >= $3 and hour < $4
group by 1
