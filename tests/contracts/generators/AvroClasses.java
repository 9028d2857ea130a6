import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import org.apache.avro.Schema;
import org.apache.avro.compiler.specific.SpecificCompiler;

/** Makes Java classes of the payloads of an AsyncAPI document, by Avro's own compiler: FILE FOLDER. */
public final class AvroClasses {
    public static void main(String[] arguments) throws Exception {
        JsonNode document = new ObjectMapper().readTree(new File(arguments[0]));
        for (JsonNode message : document.at("/components/messages")) {
            Schema schema = new Schema.Parser().parse(message.at("/payload/schema").toString());
            new SpecificCompiler(schema).compileToDestination(null, new File(arguments[1]));
        }
    }
}
