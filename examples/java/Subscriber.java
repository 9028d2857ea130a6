import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A Jobcentre's subscriber on Kafka: keeps each event once, and its positions in the same transaction.
 *
 * <pre>
 * mvn dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=jars
 * java -cp 'jars/*' Subscriber.java BROKERS PREFIX SCHEMAS DATABASE JCP-LEEDS[,JCP-YORK] [until-now]
 * </pre>
 *
 * SCHEMAS is the folder of the schemas of the gateway's release or, where the gateway has a schema
 * registry, its URL. Events go into a SQLite file, with what is made of them: how many of each type a
 * Jobcentre has had. Read them ORDER BY po_number, decided_at_ms, number: Kafka has no order across topics.
 * It may be stopped at any moment and begun anew.
 */
public final class Subscriber {
    private static final List<String> TOPICS =
            List.of(
                    "jobcentre.sessions",
                    "jobcentre.attendance",
                    "jobcentre.cancellations",
                    "jobcentre.sanction-notifications",
                    "jobcentre.notices");
    private static final List<String> TABLES =
            List.of(
                    "CREATE TABLE IF NOT EXISTS events (place INTEGER PRIMARY KEY,"
                            + " event_id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, po_number TEXT NOT NULL,"
                            + " jobcentre_id TEXT NOT NULL, decided_at_ms INTEGER NOT NULL,"
                            + " number INTEGER NOT NULL, data TEXT NOT NULL)",
                    "CREATE TABLE IF NOT EXISTS tally (jobcentre_id TEXT NOT NULL, type TEXT NOT NULL,"
                            + " events INTEGER NOT NULL, PRIMARY KEY (jobcentre_id, type))",
                    "CREATE TABLE IF NOT EXISTS positions (topic TEXT NOT NULL, number INTEGER NOT NULL,"
                            + " next INTEGER NOT NULL, PRIMARY KEY (topic, number))");

    private final Connection database;
    private final Schemas schemas;
    private final Set<String> jobcentres;

    private Subscriber(Connection database, Schemas schemas, Set<String> jobcentres) {
        this.database = database;
        this.schemas = schemas;
        this.jobcentres = jobcentres;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 5) {
            System.err.println(
                    "give BROKERS PREFIX SCHEMAS DATABASE JOBCENTRES,"
                            + " and until-now to end when there is nothing more");
            System.exit(2);
        }
        boolean untilNow = arguments.length > 5 && arguments[5].equals("until-now");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("isolation.level", "read_committed"); // only what is committed is decided
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        try (Connection database = DriverManager.getConnection("jdbc:sqlite:" + arguments[3]);
                KafkaConsumer<String, byte[]> consumer =
                        new KafkaConsumer<>(
                                settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            for (String table : TABLES) {
                run(database, table);
            }
            database.setAutoCommit(false);
            Set<String> jobcentres = Set.of(arguments[4].split(","));
            new Subscriber(database, new Schemas(arguments[2]), jobcentres)
                    .follow(consumer, arguments[1], untilNow);
        }
    }

    /** Keeps what comes. Positions stand in the database and nowhere else, so it is in no group. */
    private void follow(KafkaConsumer<String, byte[]> consumer, String prefix, boolean untilNow)
            throws Exception {
        List<TopicPartition> places = new ArrayList<>();
        for (String topic : TOPICS) {
            consumer.partitionsFor(prefix + topic)
                    .forEach(each -> places.add(new TopicPartition(each.topic(), each.partition())));
        }
        consumer.assign(places);
        consumer.seekToBeginning(places);
        try (var kept = database.createStatement();
                var found = kept.executeQuery("SELECT topic, number, next FROM positions")) {
            while (found.next()) {
                consumer.seek(new TopicPartition(found.getString(1), found.getInt(2)), found.getLong(3));
            }
        }
        Map<TopicPartition, Long> ends = consumer.endOffsets(places);
        do {
            ConsumerRecords<String, byte[]> records = consumer.poll(Duration.ofSeconds(1));
            for (ConsumerRecord<String, byte[]> record : records) {
                GenericRecord event = schemas.decode(record.value());
                if (jobcentres.contains(event.get("jobcentre_id").toString())) {
                    byte[] type = record.headers().lastHeader("ce_type").value();
                    keep(new String(type, StandardCharsets.UTF_8), event);
                }
                run(
                        database,
                        "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                        record.topic(),
                        record.partition(),
                        record.offset() + 1);
            }
            database.commit(); // one transaction: all of it is on disk, or none
        } while (!untilNow || places.stream().anyMatch(each -> consumer.position(each) < ends.get(each)));
    }

    /** Keeps an event and counts it, unless it is there. */
    private void keep(String type, GenericRecord event) throws SQLException {
        String eventId = event.get("event_id").toString();
        String jobcentreId = event.get("jobcentre_id").toString();
        int added =
                run(
                        database,
                        "INSERT INTO events"
                                + " (event_id, type, po_number, jobcentre_id, decided_at_ms, number, data)"
                                + " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                        eventId,
                        type,
                        event.get("po_number").toString(),
                        jobcentreId,
                        event.get("decided_at"),
                        // Behind the last hyphen is its number within an instant.
                        Integer.parseInt(eventId.substring(eventId.lastIndexOf('-') + 1)),
                        event.toString());
        if (added > 0) {
            run(
                    database,
                    "INSERT INTO tally VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET events = events + 1",
                    jobcentreId,
                    type);
        }
    }

    private static int run(Connection database, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = database.prepareStatement(sql)) {
            for (int index = 0; index < values.length; index++) {
                statement.setObject(index + 1, values[index]);
            }
            return statement.executeUpdate();
        }
    }

    /** Decodes values, in Avro's single-object encoding and in Confluent's wire format. */
    private static final class Schemas {
        private final Map<Long, Schema> byFingerprint = new HashMap<>();
        private final Map<Integer, Schema> byId = new HashMap<>();
        private final String registry;

        Schemas(String where) throws IOException {
            registry = where.startsWith("http") ? where : null;
            if (registry == null) {
                try (Stream<Path> files = Files.walk(Path.of(where))) {
                    for (Path file : files.filter(each -> each.toString().endsWith(".avsc")).toList()) {
                        Schema schema = new Schema.Parser().parse(file.toFile());
                        byFingerprint.put(SchemaNormalization.parsingFingerprint64(schema), schema);
                    }
                }
            }
        }

        GenericRecord decode(byte[] value) throws Exception {
            ByteBuffer bytes = ByteBuffer.wrap(value);
            boolean registered = bytes.get(0) == 0;
            Schema schema =
                    registered
                            ? registered(bytes.getInt(1))
                            : byFingerprint.get(bytes.order(ByteOrder.LITTLE_ENDIAN).getLong(2));
            if (schema == null) {
                throw new IOException("another schema; get those of the gateway's release");
            }
            int begin = registered ? 5 : 10;
            return new GenericDatumReader<GenericRecord>(schema)
                    .read(null, DecoderFactory.get().binaryDecoder(value, begin, value.length - begin, null));
        }

        /** The schema that a registry with Confluent's API has under an id. */
        private Schema registered(int id) throws Exception {
            if (!byId.containsKey(id)) {
                if (registry == null) {
                    throw new IOException("the gateway has a schema registry; give its URL for SCHEMAS");
                }
                URI address = URI.create(registry + "/schemas/ids/" + id);
                HttpRequest request = HttpRequest.newBuilder(address).build();
                HttpResponse<String> answer =
                        HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
                if (answer.statusCode() != 200) {
                    throw new IOException("the schema registry answers with status " + answer.statusCode());
                }
                String text = new ObjectMapper().readTree(answer.body()).get("schema").asText();
                byId.put(id, new Schema.Parser().parse(text));
            }
            return byId.get(id);
        }
    }
}
