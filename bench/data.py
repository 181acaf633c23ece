"""Many tickets, made by SQL: believable sizes and places, a common word, and a rare one."""

import random

from bench.stage import Stage

COMMON, RARE = "доставка", "кракозябра"
POOL = 2000
QUEUES = 4
VOCABULARY = """
здравствуйте добрый день заказ посылка пункт выдачи деньги карта возврат чек пылесос чайник коробка курьер сайт пароль
код телефон оператор ответ неделя вчера сегодня срочно помогите пожалуйста спасибо статус обмен брак гарантия сервис
магазин скидка бонусы счёт договор адрес улица подъезд этаж размер цвет модель фильтр мотор кабинет письмо ошибка
страница оплата банк лимит договорились обещали ждать получить вернуть отправить проверить уточнить изменить отменить
замовлення доставлення гроші квитанція дякую будь ласка відповідь order refund invoice kettle delivery broken parcel
"""
WORDS = VOCABULARY.split()


def pool(seed: int) -> list[str]:
    """Texts of 20 to 90 words; three in ten hold the common word."""
    rng = random.Random(seed)
    texts = []
    for place in range(POOL):
        words = rng.choices(WORDS, k=rng.randint(20, 90))
        words += [f"слово{rng.randrange(20_000)}" for _ in range(6)]
        if place % 10 < 3:
            words.insert(rng.randrange(len(words)), COMMON)
        texts.append(" ".join(words).capitalize() + ".")
    return texts


def fill(stage: Stage, tickets: int) -> None:
    """Make `tickets` tickets with three messages each. Of one in fifty that is open, half wait.

    In small databases more are open, so that the page of a queue is full at every size.
    """
    from helpdesk.search_text import fold

    with stage.connect() as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("CREATE TEMP TABLE pool (n int PRIMARY KEY, text text, tsv tsvector)")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO pool VALUES (%s, %s, to_tsvector('russian', %s))",
                [(place, text, fold(text)) for place, text in enumerate(pool(7))],
            )
        values = {"n": tickets, "pool": POOL, "rare": RARE, "each": max(1, tickets // 12), **stage.ids}
        values["open"] = max(2, min(50, tickets // 500))
        for statement in STATEMENTS:
            connection.execute(statement.encode(), values)
    with stage.connect() as connection:
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


STATEMENTS = [
    "INSERT INTO queues (project_id, name) SELECT %(project)s, 'Bench ' || n FROM generate_series(1, 4) n",
    "INSERT INTO queue_rights (group_id, queue_id, \"right\") SELECT %(group)s, id, 'work' FROM queues"
    " WHERE name LIKE 'Bench %%'",
    "CREATE TEMP TABLE lines AS SELECT id, row_number() OVER (ORDER BY id) AS place FROM queues"
    " WHERE name LIKE 'Bench %%'",
    "INSERT INTO customers (name, name_key) SELECT 'Клиент ' || n, 'клиент ' || lpad(n::text, 9, '0')"
    " FROM generate_series(1, %(n)s / 4) n",
    "CREATE TEMP TABLE people AS SELECT id, row_number() OVER (ORDER BY id) AS place FROM customers",
    "CREATE UNIQUE INDEX ON people (place)",
    "INSERT INTO identities (customer_id, namespace, value)"
    " SELECT id, 'email', 'customer' || place || '@customer.example' FROM people",
    "INSERT INTO conversations (project_id, channel_id, customer_id, key, subject, last_seq)"
    " SELECT %(project)s, %(channel)s, p.id, 'bench:' || n, 'Заказ ' || n, 3"
    " FROM generate_series(1, %(n)s) n JOIN people p ON p.place = 1 + n %% (%(n)s / 4)",
    "CREATE TEMP TABLE talks AS SELECT c.id, c.customer_id, row_number() OVER (ORDER BY c.id) AS n FROM conversations c"
    " WHERE key LIKE 'bench:%%'",
    """
    INSERT INTO tickets (project_id, queue_id, conversation_id, customer_id, channel_id, number, number_key, title,
        state, kind, occupies, owner_id, arrived_at, first_unanswered_at, last_customer_at, line_at, finished_at,
        version)
    SELECT %(project)s, l.id, t.id, t.customer_id, %(channel)s, 'B' || t.n, 'B' || t.n, 'Заказ ' || t.n || ': вопрос',
        CASE WHEN t.n %% %(open)s = 0 THEN 'open' ELSE 'solved' END,
        CASE WHEN t.n %% %(open)s = 0 THEN 'active' ELSE 'finished' END,
        CASE WHEN t.n %% %(open)s = 0 THEN 'conv:' || t.id END,
        CASE WHEN t.n %% (2 * %(open)s) <> 0 THEN (SELECT min(id) FROM users) + t.n %% 16 END, at.at,
        CASE WHEN t.n %% %(open)s = 0 THEN at.at END, at.at, at.at,
        CASE WHEN t.n %% %(open)s <> 0 THEN at.at + interval '1 day' END, 3
    FROM talks t JOIN lines l ON l.place = 1 + (t.n / (2 * %(open)s)) %% 4,
    LATERAL (SELECT helpdesk_now() - interval '1 minute' * (%(n)s - t.n) AS at) at
    """,
    """
    INSERT INTO messages (conversation_id, ticket_id, seq, kind, customer_id, user_id, at, subject, text, visible_text,
        sender, header_id, header_hash, delivery)
    SELECT k.conversation_id, k.id, s, CASE WHEN s = 2 THEN 'reply' ELSE 'inbound' END,
        CASE WHEN s <> 2 THEN k.customer_id END, CASE WHEN s = 2 THEN (SELECT min(id) FROM users) END,
        k.arrived_at + interval '10 minutes' * (s - 1), k.title, x.text, x.text,
        CASE WHEN s <> 2 THEN 'customer@customer.example' ELSE '' END, '<b' || k.id || '.' || s || '@bench>',
        sha256(convert_to('<b' || k.id || '.' || s || '@bench>', 'UTF8')), CASE WHEN s = 2 THEN 'sent' END
    FROM tickets k CROSS JOIN generate_series(1, 3) s,
    LATERAL (SELECT p.text || CASE WHEN k.id %% %(each)s = 1 AND s = 1 THEN ' ' || %(rare)s ELSE '' END AS text
             FROM pool p WHERE p.n = (k.id * 3 + s * 17) %% %(pool)s) x
    WHERE k.number LIKE 'B%%'
    """,
    """
    INSERT INTO search_documents (kind, ref_id, ticket_id, at, version, tsv)
    SELECT 'message', m.id, m.ticket_id, m.at, 2, p.tsv || array_to_tsvector(ARRAY['заказ' || m.ticket_id]) ||
        CASE WHEN m.ticket_id %% %(each)s = 1 AND m.seq = 1 THEN to_tsvector('russian', %(rare)s) ELSE ''::tsvector END
    FROM messages m JOIN pool p ON p.n = (m.ticket_id * 3 + m.seq * 17) %% %(pool)s WHERE m.header_id LIKE '<b%%'
    """,
    """
    INSERT INTO events (at, ticket_id, queue_id, project_id, actor_kind, actor_id, kind, version, payload)
    SELECT k.arrived_at + interval '1 minute' * s, k.id, k.queue_id, k.project_id, 'system', NULL, 'message.reply', 1,
        jsonb_build_object('message_id', 1)
    FROM tickets k CROSS JOIN generate_series(1, 4) s WHERE k.number LIKE 'B%%'
    """,
    "INSERT INTO tallies (scope, name, delta) SELECT 'queue:' || queue_id, 'active', count(*) FROM tickets"
    " WHERE kind = 'active' GROUP BY 1",
    "INSERT INTO tallies (scope, name, delta) SELECT 'queue:' || queue_id, 'waiting', count(*) FROM tickets"
    " WHERE kind = 'active' AND owner_id IS NULL GROUP BY 1",
]


def waiting_queue(stage: Stage, name: str, tickets: int) -> int:
    """A queue of its own with so many tickets that wait for people; returns its id."""
    with stage.connect() as connection:
        row = connection.execute(
            "INSERT INTO queues (project_id, name) VALUES (%s, %s) RETURNING id", (stage.ids["project"], name)
        ).fetchone()
        assert row is not None
        values = {"queue": row[0], "name": name, "n": tickets, **{k: v for k, v in stage.ids.items() if k != "queue"}}
        for statement in WAITING:
            connection.execute(statement.encode(), values)
    stage.run("ANALYZE tickets, queues, conversations")
    return int(row[0])


WAITING = [
    "INSERT INTO queue_rights (group_id, queue_id, \"right\") VALUES (%(group)s, %(queue)s, 'work')",
    "INSERT INTO customers (name, name_key) SELECT %(name)s, %(name)s",
    "INSERT INTO conversations (project_id, channel_id, customer_id, key, last_seq)"
    " SELECT %(project)s, %(channel)s, (SELECT max(id) FROM customers), %(name)s || n, 0"
    " FROM generate_series(1, %(n)s) n",
    """
    INSERT INTO tickets (project_id, queue_id, conversation_id, customer_id, channel_id, number, number_key, title,
        state, kind, occupies, arrived_at, first_unanswered_at, line_at)
    SELECT project_id, %(queue)s, id, customer_id, channel_id, 'W' || id, 'W' || id, 'Waiting',
        'new', 'active', 'conv:' || id, at, at, at
    FROM conversations, LATERAL (SELECT helpdesk_now() - interval '1 second' * (2000000 - id) AS at) a
    WHERE key LIKE %(name)s || '%%'
    """,
    "INSERT INTO tallies (scope, name, delta) VALUES ('queue:' || %(queue)s, 'active', %(n)s),"
    " ('queue:' || %(queue)s, 'waiting', %(n)s)",
]
