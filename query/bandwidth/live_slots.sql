select service_id, slot as t, bytes_in_l2 as in_l2, bytes_out_l2 as out_l2, bytes_in_l3 as in_l3, bytes_out_l3 as out_l3, version
from usage_slot
where service_id = any($1::uuid[]) and slot >= $2
order by service_id, slot
