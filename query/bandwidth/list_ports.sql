select exporter_id, if_index, if_type, speed::text as speed, octets_in::text as octets_in, octets_out::text as octets_out, rate, read_at
from port
where exporter_id = any($1::uuid[])
order by exporter_id, if_index
