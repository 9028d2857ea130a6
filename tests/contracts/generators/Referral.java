import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.stream.Collectors;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.InstructionsApi;
import org.openapitools.client.api.MessagesApi;
import org.openapitools.client.api.ReferralsApi;
import org.openapitools.client.api.SandboxApi;
import org.openapitools.client.model.*;

/** A whole referral by the client that openapi-generator makes: {@code java Referral URL TOKEN PO_NUMBER}. */
public class Referral {
    private static SandboxApi sandbox;
    private static MessagesApi messages;
    private static String po;

    public static void main(String[] arguments) throws Exception {
        ApiClient client = new ApiClient();
        client.updateBaseUri(arguments[0]);
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + arguments[1]));
        po = arguments[2];
        sandbox = new SandboxApi(client);
        messages = new MessagesApi(client);

        OffsetDateTime began = now();
        ReferralValue referral = new ReferralValue()
            .messageId(po + "-referred").poNumber(po).poRevision(1)
            .actionPlanAnnotation("Work Programme Information Session-Voluntary")
            .referredOn(began.toLocalDate()).providerId("PRV01").contractPackageArea("CPA01")
            .jobcentreId("JCP-LEEDS").benefit(Benefit.JSA).participant(new Participant());
        arrives(new SandboxMessage(new ReferralMessage()
            .topic(ReferralMessage.TopicEnum.PRAP_REFERRALS).value(referral)));

        // As a clock of this language has it: what is finer than a millisecond is for the gateway to leave out.
        ReferralAccepted accepted = new ReferralAccepted()
            .type(ReferralAccepted.TypeEnum.REFERRAL_ACCEPTED).acceptedAt(began.plusNanos(123_456_789));
        send("accepted", new ProviderRecord(accepted));
        try {
            send("again", new ProviderRecord(accepted));
            throw new AssertionError("It was accepted twice.");
        } catch (ApiException refused) {
            ProblemDetails problem = ApiClient.createDefaultObjectMapper()
                .readValue(refused.getResponseBody(), ProblemDetails.class);
            expect(problem.getCode().equals("ALREADY_ACCEPTED"), problem);
        }

        OffsetDateTime startsAt = began.plusDays(1);
        send("booked", new ProviderRecord(new SessionBooked()
            .type(SessionBooked.TypeEnum.SESSION_BOOKED).sessionId(po + "-session")
            .sessionName("Information session").startsAt(startsAt).durationMinutes(60)
            .location("Leeds Town Hall").format(SessionFormat.GROUP)));
        sandbox.moveSandboxClock(new ClockMove().at(startsAt.plusHours(2)));
        send("attended", new ProviderRecord(new AttendanceRecorded()
            .type(AttendanceRecorded.TypeEnum.ATTENDANCE_RECORDED).sessionId(po + "-session")
            .outcome(AttendanceOutcome.ATTENDED).recordedAt(now().plusNanos(123_456_789))));

        LocalDate today = now().toLocalDate();
        arrives(new SandboxMessage(new Wp11Message().topic(Wp11Message.TopicEnum.JOBCENTRE_WP11)
            .value(new Wp11Value().messageId(po + "-wp11").poNumber(po).jobcentreId("JCP-LEEDS")
                .interviewOn(today).wantsToJoin(true).issuedOn(today))));

        List<InstructionView> mine = new InstructionsApi(client)
            .listInstructions(null, 0, 500, null, null).getInstructions().stream()
            .filter(each -> each.getPoNumber().equals(po)).collect(Collectors.toList());
        InstructionView last = mine.get(mine.size() - 1);
        expect(last.getInstruction() == InstructionKind.UNDERTAKE_ATTACHMENT, last);
        expect(last.getDueOn().equals(began.toLocalDate().plusDays(28)), last);

        send("attached", new ProviderRecord(new AttachmentRegistered()
            .type(AttachmentRegistered.TypeEnum.ATTACHMENT_REGISTERED).attachedOn(today)
            .attachedTo(AttachedTo.WORK_PROGRAMME_REFERRAL)));
        ReferralView whole = new ReferralsApi(client).getReferral(po, null, null);
        List<InstructionKind> told = whole.getHistory().stream()
            .filter(each -> each.getActualInstance() instanceof InstructionEntry)
            .map(each -> each.getInstructionEntry().getEvent().getInstruction())
            .collect(Collectors.toList());
        expect(told.equals(List.of(InstructionKind.ACCEPT_REFERRAL, InstructionKind.UNDERTAKE_ATTACHMENT)), told);

        UploadView uploaded = messages.postUpload(
            "message_id,po_number,type,raised_at\n" + po + "-o," + po + ",Group objection,"
                + DateTimeFormatter.ISO_OFFSET_DATE_TIME.format(began) + "\n", null, null);
        expect(uploaded.getRecords() == 1, uploaded);
        System.out.println(whole.getStatus());
    }

    private static OffsetDateTime now() throws ApiException {
        return sandbox.getSandboxClock().getAt();
    }

    private static void arrives(SandboxMessage message) throws ApiException {
        MessageView view = sandbox.postSandboxMessage(message, "wait=10");
        expect(view.getStatus() == MessageStatus.APPLIED, view);
    }

    private static void send(String step, ProviderRecord record) throws ApiException {
        MessageView view = messages.postRecord(po, po + "-" + step, record, "wait=10", null);
        expect(view.getStatus() == MessageStatus.APPLIED, view);
    }

    private static void expect(boolean right, Object otherwise) {
        if (!right) {
            throw new AssertionError(otherwise);
        }
    }
}
