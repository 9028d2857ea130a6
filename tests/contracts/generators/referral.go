// A whole referral by the client that openapi-generator makes: URL TOKEN PO_NUMBER are its arguments.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	api "gateway.example/team/client"
)

// Finer is as a clock of this language has it: what is finer than a millisecond is for the gateway to leave out.
const Finer = 123_456_789 * time.Nanosecond

var (
	client *api.APIClient
	ctx    = context.Background()
	po     string
)

func main() {
	configuration := api.NewConfiguration()
	configuration.Servers = api.ServerConfigurations{{URL: os.Args[1]}}
	configuration.AddDefaultHeader("Authorization", "Bearer "+os.Args[2])
	client = api.NewAPIClient(configuration)
	po = os.Args[3]

	began := now()
	arrives(api.ReferralMessageAsSandboxMessage(api.NewReferralMessage("prap.referrals", *api.NewReferralValue(
		po+"-referred", po, 1, "Work Programme Information Session-Voluntary", day(began), "PRV01", "CPA01",
		"JCP-LEEDS", api.BENEFIT_JSA, *api.NewParticipant()))))

	accepted := api.ReferralAcceptedAsProviderRecord(api.NewReferralAccepted("ReferralAccepted", began.Add(Finer)))
	send("accepted", accepted)
	_, err := post("again", accepted)
	var refused *api.GenericOpenAPIError
	expect(errors.As(err, &refused), err)
	problem, typed := refused.Model().(api.ProblemDetails)
	expect(typed && problem.GetCode() == "ALREADY_ACCEPTED", string(refused.Body()))

	startsAt := began.AddDate(0, 0, 1)
	send("booked", api.SessionBookedAsProviderRecord(api.NewSessionBooked("SessionBooked", po+"-session",
		"Information session", startsAt, 60, "Leeds Town Hall", api.SESSIONFORMAT_GROUP)))
	_, _, err = client.SandboxAPI.MoveSandboxClock(ctx).ClockMove(*api.NewClockMove(startsAt.Add(2 * time.Hour))).Execute()
	check(err)
	send("attended", api.AttendanceRecordedAsProviderRecord(api.NewAttendanceRecorded("AttendanceRecorded",
		po+"-session", api.ATTENDANCEOUTCOME_ATTENDED, now().Add(Finer))))

	today := day(now())
	arrives(api.Wp11MessageAsSandboxMessage(api.NewWp11Message("jobcentre.wp11",
		*api.NewWp11Value(po+"-wp11", po, "JCP-LEEDS", today, true, today))))

	listed, _, err := client.InstructionsAPI.ListInstructions(ctx).Limit(500).Execute()
	check(err)
	var last api.InstructionView
	for _, each := range listed.Instructions {
		if each.PoNumber == po {
			last = each
		}
	}
	expect(last.Instruction == api.INSTRUCTIONKIND_UNDERTAKE_ATTACHMENT, last)
	expect(last.GetDueOn() == day(began.AddDate(0, 0, 28)), last)

	send("attached", api.AttachmentRegisteredAsProviderRecord(api.NewAttachmentRegistered("AttachmentRegistered",
		today, api.ATTACHEDTO_WORK_PROGRAMME_REFERRAL)))
	whole, _, err := client.ReferralsAPI.GetReferral(ctx, po).Execute()
	check(err)
	var told []api.InstructionKind
	for _, each := range whole.History {
		if each.InstructionEntry != nil {
			told = append(told, each.InstructionEntry.Event.Instruction)
		}
	}
	expect(fmt.Sprint(told) == "[ACCEPT_REFERRAL UNDERTAKE_ATTACHMENT]", told)

	uploaded, _, err := client.MessagesAPI.PostUpload(ctx).Body("message_id,po_number,type,raised_at\n" +
		po + "-o," + po + ",Group objection," + began.Format(time.RFC3339) + "\n").Execute()
	check(err)
	expect(uploaded.Records == 1, uploaded)
	fmt.Println(whole.Status)
}

func now() time.Time {
	clock, _, err := client.SandboxAPI.GetSandboxClock(ctx).Execute()
	check(err)
	return clock.At
}

func day(at time.Time) string {
	return at.Format("2006-01-02")
}

func arrives(message api.SandboxMessage) {
	view, _, err := client.SandboxAPI.PostSandboxMessage(ctx).SandboxMessage(message).Prefer("wait=10").Execute()
	check(err)
	expect(view.Status == api.MESSAGESTATUS_APPLIED, view)
}

func post(step string, record api.ProviderRecord) (*api.MessageView, error) {
	view, _, err := client.MessagesAPI.PostRecord(ctx, po).IdempotencyKey(po + "-" + step).
		ProviderRecord(record).Prefer("wait=10").Execute()
	return view, err
}

func send(step string, record api.ProviderRecord) {
	view, err := post(step, record)
	check(err)
	expect(view.Status == api.MESSAGESTATUS_APPLIED, view)
}

func check(err error) {
	expect(err == nil, err)
}

func expect(right bool, otherwise any) {
	if !right {
		panic(fmt.Sprintf("%+v", otherwise))
	}
}
