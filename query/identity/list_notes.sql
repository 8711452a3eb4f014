select n.id, n.author, coalesce(p.name, '') as author_name, n.text, n.created_at
from customer_note n
left join person p on n.author = 'staff:' || p.id::text
where n.customer_id = $1 and ($2::timestamptz is null or (n.created_at, n.id::text) < ($2, $3::text))
order by n.created_at desc, n.id::text desc
limit $4
