import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.spiffe.bundle.BundleSource;
import io.spiffe.bundle.jwtbundle.JwtBundle;
import io.spiffe.bundle.jwtbundle.JwtBundleSet;
import io.spiffe.spiffeid.TrustDomain;
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.WorkloadApiClient;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The role `tokens`: JWT-SVIDs and bundles, a line of JSON for a question and one for its answer. */
final class Tokens {
  private static final Gson GSON = new Gson();

  static void run() throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      System.out.println(GSON.toJson(answer(JsonParser.parseString(line).getAsJsonObject())));
    }
  }

  private static Map<String, Object> answer(JsonObject question) {
    try {
      return answerTo(question);
    } catch (Exception error) {
      return Map.of("error", whole(error));
    }
  }

  /** An error with its causes. */
  private static String whole(Throwable error) {
    return error.getCause() == null ? error.toString() : error + ": " + whole(error.getCause());
  }

  private static Map<String, Object> answerTo(JsonObject question) throws Exception {
    switch (text(question, "do")) {
      case "verify":
        return verify(question, bundlesOf(question));
      case "read":
        JwtBundle bundle = readBundle(text(question, "trustDomain"), text(question, "bundle"));
        return Map.of("jwt", new TreeSet<>(bundle.getJwtAuthorities().keySet()));
      case "fetch":
        try (WorkloadApiClient client = DefaultWorkloadApiClient.newClient()) {
          return Map.of("token", client.fetchJwtSvid(text(question, "audience")).marshal());
        }
      case "check":
        try (WorkloadApiClient client = DefaultWorkloadApiClient.newClient()) {
          return verify(question, client.fetchJwtBundles());
        }
      default:
        throw new IllegalArgumentException("verify, read, fetch or check");
    }
  }

  private static Map<String, Object> verify(JsonObject question, BundleSource<JwtBundle> bundles)
      throws Exception {
    Set<String> audience = Set.of(text(question, "audience"));
    JwtSvid svid = JwtSvid.parseAndValidate(text(question, "token"), bundles, audience);
    return Map.of("id", svid.getSpiffeId().toString());
  }

  private static JwtBundleSet bundlesOf(JsonObject question) throws Exception {
    List<JwtBundle> bundles = new ArrayList<>();
    for (Map.Entry<String, JsonElement> each : question.getAsJsonObject("bundles").entrySet()) {
      bundles.add(readBundle(each.getKey(), each.getValue().getAsString()));
    }
    return JwtBundleSet.of(bundles);
  }

  private static JwtBundle readBundle(String trustDomain, String jwks) throws Exception {
    return JwtBundle.parse(TrustDomain.parse(trustDomain), jwks.getBytes(UTF_8));
  }

  private static String text(JsonObject question, String name) {
    return question.get(name).getAsString();
  }
}
