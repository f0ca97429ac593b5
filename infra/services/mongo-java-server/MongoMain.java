import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.KeyValue;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.bson.BsonDecoder;
import de.bwaldvogel.mongo.wire.bson.BsonEncoder;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;
import org.h2.mvstore.WriteBuffer;
import org.h2.mvstore.type.BasicDataType;

/** Speaks MongoDB's wire protocol over an H2 file. Arguments: port, file, and for TLS the PEM files of a certificate and its key (PKCS #8, elliptic curve). Prints a line that begins with READY when it answers. */
public class MongoMain {
  /** What the oldest server is called that current drivers talk to; the newest this library names itself is older. */
  private static final MongoVersion VERSION = new MongoVersion() {
    @Override
    public List<Integer> getVersionArray() {
      return List.of(4, 4, 0);
    }

    @Override
    public int getWireVersion() {
      return 9;
    }
  };

  /** Changed pages are written once a second; by itself the library writes them whenever there is a mebibyte of them, the same ones again and again. */
  private static final int WRITE_BUFFER_KB = 16 * 1024;

  /** Of the file, what must be in use before the store rewrites the rest in the background. */
  private static final int FILL_PERCENT = 50;

  public static void main(String[] args) throws Exception {
    H2Backend backend = new BsonBackend(
        new MVStore.Builder()
            .fileName(args[1])
            .autoCommitBufferSize(WRITE_BUFFER_KB)
            .autoCompactFillRate(FILL_PERCENT)
            .open());
    backend.version(VERSION);
    MongoServer server = new MongoServer(backend);
    if (args.length > 2) guard(server, args[2], args[3]);
    Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    server.bind("127.0.0.1", Integer.parseInt(args[0]));
    System.out.println("READY " + server.getLocalAddress());
    Thread.currentThread().join();
  }

  private static void guard(MongoServer server, String certificateFile, String keyFile) throws Exception {
    byte[] key = Base64.getMimeDecoder().decode(Files.readString(Path.of(keyFile)).replaceAll("-----.*-----", ""));
    try (InputStream certificate = Files.newInputStream(Path.of(certificateFile))) {
      server.enableSsl(
          KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(key)),
          null,
          (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(certificate));
    }
  }
}

/**
 * Keeps documents and index keys as BSON, as MongoDB does. By itself the library keeps them as serialised Java objects and compares two keys by
 * serialising both, which costs an insert several hundred microseconds. A map that is open keeps the types it was opened with, so each is
 * opened here before the library asks for it.
 */
class BsonBackend extends H2Backend {
  BsonBackend(MVStore store) {
    super(store);
  }

  @Override
  protected MongoDatabase openOrCreateDatabase(String name) {
    MVStore store = getMvStore();
    return new H2Database(name, store, getCursorRegistry()) {
      @Override
      protected Index<Object> openOrCreateUniqueIndex(
          String collection, String index, List<IndexKey> keys, boolean sparse) {
        String map = getFullCollectionNamespace(collection) + "._index_" + index;
        store.openMap(map, new MVMap.Builder<KeyValue, Object>().keyType(new KeyType()));
        return super.openOrCreateUniqueIndex(collection, index, keys, sparse);
      }

      @Override
      protected MongoCollection<Object> openOrCreateCollection(String collection, CollectionOptions options) {
        String map = "databases." + getFullCollectionNamespace(collection);
        store.openMap(map, new MVMap.Builder<Object, Document>().valueType(new DocumentType()));
        return super.openOrCreateCollection(collection, options);
      }
    };
  }
}

/** A type whose values are kept as BSON. What they take in memory is estimated. */
abstract class BsonType<Value> extends BasicDataType<Value> {
  private static final int OBJECT_BYTES = 48;

  abstract void encode(Value value, ByteBuf to);

  abstract Value decode(ByteBuf from);

  @Override
  public void write(WriteBuffer buffer, Value value) {
    ByteBuf bytes = Unpooled.buffer(512);
    encode(value, bytes);
    buffer.put(ByteBuffer.wrap(bytes.array(), bytes.arrayOffset(), bytes.readableBytes()));
  }

  @Override
  public Value read(ByteBuffer buffer) {
    ByteBuf bytes = Unpooled.wrappedBuffer(buffer);
    Value value = decode(bytes);
    buffer.position(buffer.position() + bytes.readerIndex());
    return value;
  }

  static int memoryOf(Object value) {
    if (value instanceof String text) return OBJECT_BYTES + text.length();
    int bytes = OBJECT_BYTES;
    if (value instanceof Map<?, ?> map) for (Object one : map.values()) bytes += OBJECT_BYTES + memoryOf(one);
    else if (value instanceof Iterable<?> list) for (Object one : list) bytes += memoryOf(one);
    return bytes;
  }
}

class DocumentType extends BsonType<Document> {
  @Override
  public int getMemory(Document document) {
    return memoryOf(document);
  }

  @Override
  public Document[] createStorage(int size) {
    return new Document[size];
  }

  @Override
  void encode(Document document, ByteBuf to) {
    BsonEncoder.encodeDocument(document, to);
  }

  @Override
  Document decode(ByteBuf from) {
    return BsonDecoder.decodeBson(from);
  }
}

/** The values of a unique index, by BSON type and then by value; what is neither text nor a number, by its bytes. */
class KeyType extends BsonType<KeyValue> {
  @Override
  public int getMemory(KeyValue key) {
    return memoryOf(key);
  }

  @Override
  public KeyValue[] createStorage(int size) {
    return new KeyValue[size];
  }

  @Override
  public int compare(KeyValue one, KeyValue other) {
    int order = Integer.compare(one.size(), other.size());
    for (int at = 0; order == 0 && at < one.size(); at++) order = compareValues(one.get(at), other.get(at));
    return order;
  }

  private static int compareValues(Object one, Object other) {
    if (one instanceof String a && other instanceof String b) return a.compareTo(b);
    if (one instanceof Double a && other instanceof Double b) return a.compareTo(b);
    int order = Byte.compare(BsonEncoder.determineType(one), BsonEncoder.determineType(other));
    return order == 0 ? Arrays.compareUnsigned(bytesOf(one), bytesOf(other)) : order;
  }

  private static byte[] bytesOf(Object value) {
    ByteBuf bytes = Unpooled.buffer();
    BsonEncoder.encodeValue(BsonEncoder.determineType(value), value, bytes);
    return Arrays.copyOfRange(bytes.array(), bytes.arrayOffset(), bytes.arrayOffset() + bytes.readableBytes());
  }

  @Override
  void encode(KeyValue key, ByteBuf to) {
    to.writeByte(key.size());
    for (Object value : key) {
      byte type = BsonEncoder.determineType(value);
      to.writeByte(type);
      BsonEncoder.encodeValue(type, value, to);
    }
  }

  @Override
  KeyValue decode(ByteBuf from) {
    int size = from.readUnsignedByte();
    List<Object> values = new ArrayList<>(size);
    for (int at = 0; at < size; at++) values.add(BsonDecoder.decodeValue(from.readByte(), from));
    return new KeyValue(values);
  }
}
