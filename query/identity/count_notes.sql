select count(*)::int as notes from customer_note where customer_id = $1
