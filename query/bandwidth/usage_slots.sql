select (floor(extract(epoch from slot) / $2::bigint) * $2)::bigint as at,
       sum(bytes_in_l2)::bigint as bytes_in_l2, sum(bytes_out_l2)::bigint as bytes_out_l2,
       sum(bytes_in_l3)::bigint as bytes_in_l3, sum(bytes_out_l3)::bigint as bytes_out_l3
from usage_slot
where service_id = $1 and slot >= $3 and slot < $4
group by 1
