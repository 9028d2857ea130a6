import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints topic and event_id of all that is on topics, through a registry: BROKERS REGISTRY TOPIC... */
public final class Events {
    public static void main(String[] arguments) {
        Map<String, Object> settings =
                Map.of(
                        "bootstrap.servers", arguments[0],
                        "isolation.level", "read_committed",
                        "apicurio.registry.url", arguments[1],
                        // Confluent's wire format, and the ids of its API.
                        "apicurio.registry.as-confluent", true,
                        "apicurio.registry.use-id", "contentId");
        AvroKafkaDeserializer<GenericRecord> values = new AvroKafkaDeserializer<>();
        values.configure(settings, false);
        try (KafkaConsumer<String, GenericRecord> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), values)) {
            List<TopicPartition> places =
                    Stream.of(arguments)
                            .skip(2)
                            .flatMap(topic -> consumer.partitionsFor(topic).stream())
                            .map(each -> new TopicPartition(each.topic(), each.partition()))
                            .collect(Collectors.toList());
            consumer.assign(places);
            consumer.seekToBeginning(places);
            Map<TopicPartition, Long> ends = consumer.endOffsets(places);
            do {
                consumer.poll(Duration.ofSeconds(1))
                        .forEach(each -> System.out.println(each.topic() + " " + each.value().get("event_id")));
            } while (places.stream().anyMatch(each -> consumer.position(each) < ends.get(each)));
        }
    }
}
