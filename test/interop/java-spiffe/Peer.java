import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsExchange;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import io.spiffe.provider.SpiffeSslContextFactory;
import io.spiffe.provider.SpiffeSslContextFactory.SslContextOptions;
import io.spiffe.spiffeid.SpiffeId;
import io.spiffe.workloadapi.DefaultX509Source;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.URL;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocketFactory;

/** java-spiffe as a peer. How it is talked to stands in ../README.md. */
public final class Peer {
  private static final int URI_NAME = 6;

  public static void main(String[] arguments) throws Exception {
    List<String> rest = Arrays.asList(arguments).subList(1, arguments.length);
    switch (arguments[0]) {
      case "client":
        client(rest.get(0), contextFor(rest.subList(1, 2)));
        break;
      case "server":
        server(contextFor(rest));
        break;
      case "tokens":
        Tokens.run();
        break;
      default:
        throw new IllegalArgumentException(
            "client <address> <SPIFFE ID> | server <SPIFFE ID>... | tokens");
    }
    System.exit(0);
  }

  private static SSLContext contextFor(List<String> accepted) throws Exception {
    Set<SpiffeId> ids = accepted.stream().map(SpiffeId::parse).collect(Collectors.toSet());
    return SpiffeSslContextFactory.getSslContext(
        SslContextOptions.builder()
            // Its default is TLS 1.2.
            .sslProtocol("TLSv1.3")
            .x509Source(DefaultX509Source.newSource())
            .acceptedSpiffeIdsSupplier(() -> ids)
            .build());
  }

  private static void client(String address, SSLContext context) throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    SSLSocketFactory sockets = context.getSocketFactory();
    System.out.println("ready");
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      try {
        System.out.println("ok " + get(address, sockets, line.equals("keep")));
      } catch (Exception error) {
        System.out.println("refused " + error.toString().replace('\n', ' '));
      }
    }
  }

  private static String get(String address, SSLSocketFactory sockets, boolean keep)
      throws Exception {
    URL url = new URL("https://" + address + "/orders");
    HttpsURLConnection connection = (HttpsURLConnection) url.openConnection();
    connection.setSSLSocketFactory(sockets);
    // The trust manager has compared the SPIFFE ID; a host name says nothing here.
    connection.setHostnameVerifier((host, session) -> true);
    if (!keep) connection.setRequestProperty("Connection", "close");
    if (connection.getResponseCode() != 200) {
      throw new IOException("status " + connection.getResponseCode());
    }
    String server = idOf(connection.getServerCertificates());
    return server + " " + new String(connection.getInputStream().readAllBytes(), UTF_8);
  }

  private static void server(SSLContext context) throws IOException {
    HttpsServer server = HttpsServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.setHttpsConfigurator(
        new HttpsConfigurator(context) {
          @Override
          public void configure(HttpsParameters parameters) {
            SSLParameters needClient = context.getDefaultSSLParameters();
            needClient.setNeedClientAuth(true);
            parameters.setSSLParameters(needClient);
          }
        });
    server.createContext("/", Peer::answer);
    server.setExecutor(Executors.newFixedThreadPool(2));
    server.start();
    System.out.println("listening " + server.getAddress().getPort());
    while (System.in.read() != -1) {}
  }

  private static void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String caller = idOf(((HttpsExchange) exchange).getSSLSession().getPeerCertificates());
      byte[] body = ("{\"caller\":\"" + caller + "\"}").getBytes(UTF_8);
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
    } catch (CertificateException error) {
      throw new IOException(error);
    }
  }

  private static String idOf(Certificate[] chain) throws CertificateException {
    for (List<?> name : ((X509Certificate) chain[0]).getSubjectAlternativeNames()) {
      if (name.get(0).equals(URI_NAME)) return SpiffeId.parse((String) name.get(1)).toString();
    }
    throw new CertificateException("no URI name");
  }
}
